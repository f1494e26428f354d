"""A small plot of one interval around an estimate, for a row of a table."""

from expression_warehouse.api.plots.scale import Scale
from expression_warehouse.api.templates import render

_WIDTH, _HEIGHT = 120, 18


def interval_scale(ends: list[float]) -> Scale:
    """The axis that all rows of a table share: it is symmetric about 0 and holds all ends."""
    most = max((abs(end) for end in ends), default=1.0) or 1.0
    return Scale(-most, most, 2, _WIDTH - 2)


def interval_plot(estimate: float, low: float, high: float, scale: Scale) -> str:
    """The plot as an SVG element; a reader of the table has the numbers beside it."""
    return render(
        "interval.svg",
        zero=scale.pixel(0),
        x=scale.pixel(estimate),
        low=scale.pixel(low),
        high=scale.pixel(high),
        width=_WIDTH,
        height=_HEIGHT,
    )
