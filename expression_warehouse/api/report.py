"""One offline file with the best pairs of a disease: the supplement of a paper."""

from pathlib import Path

from expression_warehouse.api import queries, reading
from expression_warehouse.api.pair_page import pair_values
from expression_warehouse.api.rank_settings import RankSettings
from expression_warehouse.api.store import Edition
from expression_warehouse.api.templates import render
from expression_warehouse.api.words import rationale


def report(edition: Edition, settings: RankSettings) -> str:
    """The file's text: a table, then the pair of each row with its plots. It has no link to
    anything else and is the same for the same data.

    Raises MissingError if the warehouse has no such disease or contrast.
    """
    rows = reading.ranked(edition, settings).to_pylist()
    slices = [(row["disease_label"], row["technology"], row["organism"]) for row in rows]
    style = (Path(__file__).parent / "static" / "style.css").read_text(encoding="utf-8")
    return render(
        "report.html",
        style=style,
        settings=settings,
        rows=[{**row, "rationale": rationale(row)} for row in rows],
        pairs=[
            pair_values(edition, row["pair_key"], slice_)
            for row, slice_ in zip(rows, slices, strict=True)
        ],
        slices=[
            row for row in edition.rows(queries.SLICES) if row["disease_label"] == settings.disease
        ],
    )
