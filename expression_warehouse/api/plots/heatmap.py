"""A heatmap: the change of every pair of the genes that are in most of the listed pairs."""

from collections import Counter
from itertools import combinations
from typing import Any

from expression_warehouse.api.templates import render
from expression_warehouse.api.words import gene_name

_GENES = 20
_CELL = 18
# Greatest width of a letter of a name.
_LETTER = 7.4
# Steps of colour on either side of no change.
_STEPS = 4


def heatmap_genes(rows: list[dict[str, Any]]) -> dict[str, str]:
    """Id → name of the genes in most of the rows of one slice of a list of pairs, at most 20; empty
    if fewer than three genes are in it."""
    counts: Counter[tuple[str, str]] = Counter()
    for row in rows:
        for side in ("a", "b"):
            gene_id = row[f"gene_{side}_id"]
            counts[gene_id, gene_name(row[f"gene_{side}_symbol"], gene_id)] += 1
    # The order of equal counts is that of the list.
    genes = dict(gene for gene, _ in counts.most_common(_GENES))
    return genes if len(genes) >= 3 else {}


def heatmap(genes: dict[str, str], tested: list[dict[str, Any]], listed: set[int]) -> str:
    """The plot as an SVG element. A pair that was not tested has a dot; a listed one, a frame.

    genes   id → name
    tested  rows of a list of pairs: all those of these genes that were tested in a slice
    listed  pair_key of the pairs that the list shows
    """
    places = {gene_id: number for number, gene_id in enumerate(genes)}
    margin = round(12 + _LETTER * max(len(name) for name in genes.values()))
    found = {frozenset((row["gene_a_id"], row["gene_b_id"])): row for row in tested}
    most = max((abs(row["effect"] or 0.0) for row in tested), default=0.0) or 1.0
    cells = []
    for first, second in combinations(genes, 2):
        row = found.get(frozenset((first, second)))
        effect = row["effect"] or 0.0 if row else 0.0
        cells.append(
            {
                "row": row,
                "names": f"{genes[first]} – {genes[second]}",
                "x": margin + places[first] * _CELL,
                "y": margin + places[second] * _CELL,
                "kind": "higher" if effect > 0 else "lower",
                "step": max(1, round(_STEPS * abs(effect) / most)),
                "is_listed": row is not None and row["pair_key"] in listed,
            }
        )
    size = margin + len(genes) * _CELL + 2
    names = list(genes.values())
    return render("heatmap.svg", names=names, cells=cells, cell=_CELL, margin=margin, size=size)
