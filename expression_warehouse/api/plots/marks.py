"""Marks of samples: one SVG path per cohort, whatever the number of its samples."""

from collections.abc import Iterable

# Marks differ in shape too: colour alone is lost in print and to some readers.
_PATHS = (
    ("m-3 0a3 3 0 1 0 6 0a3 3 0 1 0-6 0", "fill"),
    ("m-2.6-2.6h5.2v5.2h-5.2z", "fill"),
    ("m0-3.4l3.4 6h-6.8z", "fill"),
    ("m0-3.8l3.8 3.8l-3.8 3.8l-3.8-3.8z", "fill"),
    ("m-3-3l6 6m0-6l-6 6", "stroke"),
)


def mark_class(cohort_no: int) -> str:
    """The classes of a cohort's marks; cohorts are numbered from 0."""
    number = cohort_no % len(_PATHS)
    return f"cohort-{number} {_PATHS[number][1]}"


def marks(cohort_no: int, places: Iterable[tuple[float, float]]) -> str:
    """The attribute d of a path that has the cohort's mark at each place, in pixels."""
    path, _ = _PATHS[cohort_no % len(_PATHS)]
    return "".join(f"M{x} {y}{path}" for x, y in places)
