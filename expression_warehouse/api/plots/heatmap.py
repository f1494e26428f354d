"""A heatmap: the change between the genes that are in most of the listed pairs."""

from collections import Counter
from typing import Any

from expression_warehouse.api.templates import render
from expression_warehouse.api.words import gene_name

_GENES = 20
_CELL, _MARGIN = 18, 90
# Steps of colour on either side of no change.
_STEPS = 4


def heatmap(rows: list[dict[str, Any]]) -> str | None:
    """The plot of the rows of one slice of a list of pairs as an SVG element; None if fewer than
    three genes are in it."""
    counts: Counter[tuple[str, str]] = Counter()
    for row in rows:
        for side in ("a", "b"):
            gene_id = row[f"gene_{side}_id"]
            counts[gene_id, gene_name(row[f"gene_{side}_symbol"], gene_id)] += 1
    # The order of equal counts is that of the list.
    genes = [gene for gene, _ in counts.most_common(_GENES)]
    if len(genes) < 3:
        return None
    places = {gene_id: number for number, (gene_id, _) in enumerate(genes)}
    shown = [row for row in rows if {row["gene_a_id"], row["gene_b_id"]} <= places.keys()]
    most = max((abs(row["effect"] or 0.0) for row in shown), default=0.0) or 1.0
    cells = []
    for row in shown:
        effect = row["effect"] or 0.0
        first, second = sorted((places[row["gene_a_id"]], places[row["gene_b_id"]]))
        cells.append(
            {
                "row": row,
                "x": _MARGIN + first * _CELL,
                "y": _MARGIN + second * _CELL,
                "kind": "stronger" if effect > 0 else "weaker",
                "step": max(1, round(_STEPS * abs(effect) / most)),
            }
        )
    size = _MARGIN + len(genes) * _CELL + 2
    return render("heatmap.svg", genes=genes, cells=cells, cell=_CELL, margin=_MARGIN, size=size)
