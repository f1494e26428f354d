"""A forest plot: the estimate of each study with its 95 % interval, and the pooled ones."""

from dataclasses import dataclass
from typing import Any

from expression_warehouse.api.plots.scale import scale_over
from expression_warehouse.api.templates import render

# Quantile of the normal distribution for an interval of 95 %.
_Z = 1.959963984540054
_LEFT, _RIGHT, _WIDTH = 190, 560, 760
_ROW = 26
_SQUARE = 16


@dataclass(frozen=True)
class StudyRow:
    """A study's line: its estimate, interval, and share of all weights (0 to 1)."""

    label: str
    n: int
    estimate: float
    low: float
    high: float
    weight: float


@dataclass(frozen=True)
class PooledRow:
    """A pooled line below the studies. kind: 'diamond', or 'bar' for an interval alone."""

    label: str
    kind: str
    estimate: float
    low: float
    high: float


def study_rows(studies: list[dict[str, Any]], tau2: float) -> list[StudyRow]:
    """The lines of vw_pair_study's rows of one slice and contrast.

    tau2  variance between the studies: a weight is 1 / (se^2 + tau2), as in the pooled estimate
    """
    weights = [1 / (study["se"] ** 2 + tau2) for study in studies]
    return [
        StudyRow(
            label=study["study_accession_code"],
            n=study["n"],
            estimate=study["theta"],
            low=study["theta"] - _Z * study["se"],
            high=study["theta"] + _Z * study["se"],
            weight=weight / sum(weights),
        )
        for study, weight in zip(studies, weights, strict=True)
    ]


def pooled_rows(contrast: dict[str, Any]) -> list[PooledRow]:
    """The pooled lines of a row of fact_gene_pair_contrast, without intervals that it lacks."""
    rows = []
    for label, kind, low, high in (
        ("Hartung-Knapp 95 %", "diamond", "hk_ci_low", "hk_ci_high"),
        ("Normal 95 %", "diamond", "ci_low", "ci_high"),
        ("Prediction 95 %", "bar", "pi_low", "pi_high"),
    ):
        if contrast[low] is not None and contrast["theta_re"] is not None:
            rows.append(PooledRow(label, kind, contrast["theta_re"], contrast[low], contrast[high]))
    return rows


def forest_plot(title: str, studies: list[StudyRow], pooled: list[PooledRow]) -> str:
    """The plot as an SVG element. At least one study."""
    rows: list[StudyRow | PooledRow] = [*studies, *pooled]
    ends = [0.0, *(end for row in rows for end in (row.low, row.high))]
    scale = scale_over(ends, _LEFT, _RIGHT)
    largest = max(row.weight for row in studies)
    lines = [
        {
            "row": row,
            "y": 34 + number * _ROW,
            "square": round(_SQUARE * (row.weight / largest) ** 0.5, 1),
        }
        for number, row in enumerate(studies)
    ]
    below = 34 + len(studies) * _ROW + 10
    sums = [{"row": row, "y": below + number * _ROW} for number, row in enumerate(pooled)]
    bottom = below + len(pooled) * _ROW
    return render(
        "forest.svg",
        title=title,
        lines=lines,
        sums=sums,
        scale=scale,
        left=_LEFT,
        right=_RIGHT,
        width=_WIDTH,
        bottom=bottom,
        height=bottom + 50,
    )
