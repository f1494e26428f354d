"""Scatter plots: the values of both genes of a pair in one study, a mark per sample."""

from itertools import groupby
from typing import Any

from expression_warehouse.api.plots.scale import scale_over
from expression_warehouse.api.templates import render

_SIZE, _LEFT, _TOP = 260, 44, 14
# Marks differ in shape too: colour alone is lost in print and to some readers.
SHAPES = ("circle", "square", "triangle", "diamond", "cross")


def scatter_plots(
    values: list[dict[str, Any]], cohorts: list[dict[str, Any]], name_a: str, name_b: str
) -> list[dict[str, Any]]:
    """One plot per study, with the r and n of its cohorts.

    values   rows of PAIR_VALUES, in order of the studies
    cohorts  rows of vw_pair_cohort of the same slice
    """
    labels = sorted({row["illness_label"] for row in values})
    shapes = {label: SHAPES[number % len(SHAPES)] for number, label in enumerate(labels)}
    legend = {label: legend_mark(number) for number, label in enumerate(labels)}
    plots = []
    for study, group in groupby(values, key=lambda row: row["study_accession_code"]):
        rows = list(group)
        x = scale_over([row["value_a"] for row in rows], _LEFT, _SIZE - 8)
        y = scale_over([row["value_b"] for row in rows], _SIZE - 40, _TOP)
        own = [row for row in cohorts if row["study_accession_code"] == study]
        svg = render(
            "scatter.svg",
            title=f"{name_a} and {name_b} in {study}",
            rows=rows,
            x=x,
            y=y,
            shapes=shapes,
            classes={label: _class(number) for number, label in enumerate(labels)},
            size=_SIZE,
            left=_LEFT,
            top=_TOP,
            name_a=name_a,
            name_b=name_b,
        )
        plots.append({"study": study, "svg": svg, "cohorts": own, "legend": legend})
    return plots


def legend_mark(number: int) -> str:
    """The mark of a cohort as an SVG element, for the legend; a text beside it names the cohort."""
    shape = SHAPES[number % len(SHAPES)]
    return render("mark.svg", shape=shape, css_class=_class(number))


def _class(number: int) -> str:
    return f"cohort-{number % len(SHAPES)}"
