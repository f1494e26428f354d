"""Scatter plots: the values of both genes of a pair in one study, a mark per sample."""

from collections import Counter
from itertools import groupby
from typing import Any

from expression_warehouse.api.plots.marks import mark_class, marks
from expression_warehouse.api.plots.scale import Scale, scale_over
from expression_warehouse.api.templates import render

_SIZE, _LEFT, _TOP, _RIGHT = 270, 58, 14, 254


def scatter_plots(
    values: list[dict[str, Any]], cohorts: list[dict[str, Any]], name_a: str, name_b: str
) -> list[dict[str, Any]]:
    """One plot per study, with the n and r of its cohorts; r is None if the cohort has none.

    values   rows of PAIR_POINTS, in order of the studies
    cohorts  rows of vw_pair_cohort of the same slice
    """
    labels = sorted({row["illness_label"] for row in values})
    numbers = {label: number for number, label in enumerate(labels)}
    legend = {label: legend_mark(number) for label, number in numbers.items()}
    plots = []
    for study, group in groupby(values, key=lambda row: row["study_accession_code"]):
        rows = list(group)
        x = scale_over([row["value_a"] for row in rows], _LEFT, _RIGHT)
        y = scale_over([row["value_b"] for row in rows], _SIZE - 40, _TOP)
        r = {
            row["illness_label"]: row["r"]
            for row in cohorts
            if row["study_accession_code"] == study
        }
        counts = Counter(row["illness_label"] for row in rows)
        svg = render(
            "scatter.svg",
            title=f"{name_a} and {name_b} in {study}",
            paths=_paths(rows, numbers, x, y),
            x=x,
            y=y,
            size=_SIZE,
            left=_LEFT,
            right=_RIGHT,
            top=_TOP,
            name_a=name_a,
            name_b=name_b,
        )
        own = [
            {"label": label, "mark": mark, "n": counts[label], "r": r.get(label)}
            for label, mark in legend.items()
            if counts[label]
        ]
        plots.append({"study": study, "svg": svg, "cohorts": own})
    return plots


def _paths(
    rows: list[dict[str, Any]], numbers: dict[str, int], x: Scale, y: Scale
) -> list[tuple[str, str]]:
    """Per cohort, its classes and path."""
    paths = []
    for label, number in numbers.items():
        own = [row for row in rows if row["illness_label"] == label]
        if own:
            across = x.pixels([row["value_a"] for row in own])
            down = y.pixels([row["value_b"] for row in own])
            paths.append((mark_class(number), marks(number, zip(across, down, strict=True))))
    return paths


def legend_mark(number: int) -> str:
    """The mark of a cohort as an SVG element, for the legend; a text beside it names the cohort."""
    return render("mark.svg", path=marks(number, [(6, 6)]), css_class=mark_class(number))
