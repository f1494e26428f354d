"""A volcano plot: how much each pair changes, and how certain that is."""

import math
from typing import Any

from expression_warehouse.api.plots.scale import Scale, scale_over
from expression_warehouse.api.templates import render

_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 460, 300, 44, 44
# Smaller q are drawn at this height.
_HIGHEST = 20.0


def volcano_plot(rows: list[dict[str, Any]], q_max: float) -> str | None:
    """The plot of rows of a list of pairs as an SVG element, each mark a link to its pair; None if
    no row has an effect and a q.

    q_max  where the line of significance lies, if it is within the plot
    """
    marks = [
        {"row": row, "effect": row["effect"], "certainty": _certainty(row["q_star"])}
        for row in rows
        if row["effect"] is not None and row["q_star"] is not None
    ]
    if not marks:
        return None
    most = max(abs(mark["effect"]) for mark in marks) or 1.0
    x = Scale(-1.05 * most, 1.05 * most, _LEFT, _WIDTH - 8)
    y = scale_over([0.0, *(mark["certainty"] for mark in marks)], _HEIGHT - _BOTTOM, 10)
    line = _certainty(q_max)
    return render(
        "volcano.svg",
        marks=marks,
        x=x,
        y=y,
        line=line if y.low <= line <= y.high and q_max < 1 else None,
        width=_WIDTH,
        height=_HEIGHT,
        left=_LEFT,
        bottom=_HEIGHT - _BOTTOM,
    )


def _certainty(q: float) -> float:
    return min(_HIGHEST, -math.log10(q)) if q > 0 else _HIGHEST
