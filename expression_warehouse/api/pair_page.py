"""The page of a pair, and the same for a report: one slice of it, study by study."""

from typing import Any

from expression_warehouse.api import queries, reading
from expression_warehouse.api.pair_estimates import pair_estimates
from expression_warehouse.api.plots.forest import forest_plot, pooled_rows, study_rows
from expression_warehouse.api.plots.scatter import scatter_plots
from expression_warehouse.api.reading import MissingError
from expression_warehouse.api.repool import pooled_without
from expression_warehouse.api.store import Edition
from expression_warehouse.api.words import advice, gene_name, heterogeneity

Slice = tuple[str, str, str]
# What a pair without some of its studies no longer has: rates, which need all pairs, and what
# belongs to them.
_RATES = ("q", "q_hk", "q_hk_adhoc", "p_pair", "q_pair", "pairs_tested")


def pair_values(
    edition: Edition,
    pair_key: int,
    wanted: tuple[str | None, str | None, str | None] = (None, None, None),
    without: tuple[str, ...] = (),
) -> dict[str, Any]:
    """What the template pair_body.html shows.

    wanted   disease, technology and organism of the slice; None for the first that there is
    without  studies that are left out: the rest is pooled again

    Raises MissingError for a pair or slice that is not there, and for a study of `without` that the
    pair does not have in the slice.
    """
    found = reading.pair(edition, pair_key)
    contrasts = edition.rows(queries.PAIR_CONTRASTS, {"pair_key": pair_key})
    slices = list(dict.fromkeys(_slice(row) for row in contrasts))
    if not slices:
        raise MissingError(
            f"contrast of pair {pair_key}: no study has its correlation in cases and references"
        )
    chosen = _chosen(slices, wanted, pair_key)
    estimates = pair_estimates(edition, pair_key)
    studies = [row for row in estimates.studies if _slice(row) == chosen]
    accessions = sorted({row["study_accession_code"] for row in studies})
    if unknown := [study for study in without if study and study not in accessions]:
        raise MissingError(f"study {unknown[0]} of pair {pair_key} in that slice", accessions)
    left_out = [study for study in accessions if study in without]
    pooled = pooled_without(edition, pair_key, chosen, left_out) if left_out else None
    names = [gene_name(found[f"gene_{side}_symbol"], found[f"gene_{side}_id"]) for side in "ab"]
    files = edition.rows(queries.STUDY_FILES, {"study": None})
    return {
        "pair": found,
        "names": names,
        "genes": reading.genes_of_pair(edition, found),
        "slices": slices,
        "chosen": chosen,
        "studies": accessions,
        "left_out": left_out,
        "contrasts": [
            _contrast(row, studies, left_out, pooled, " and ".join(names))
            for row in contrasts
            if _slice(row) == chosen
        ],
        "scatters": scatter_plots(
            reading.pair_points(edition, pair_key, *chosen),
            [row for row in estimates.cohorts if _slice(row) == chosen],
            *names,
        ),
        "files": [row for row in files if row["study_accession_code"] in accessions],
    }


def _slice(row: dict[str, Any]) -> Slice:
    return row["disease_label"], row["technology"], row["organism"]


def _chosen(
    slices: list[Slice], wanted: tuple[str | None, str | None, str | None], pair_key: int
) -> Slice:
    for slice_ in slices:
        if all(want in (None, has) for want, has in zip(wanted, slice_, strict=True)):
            return slice_
    raise MissingError(f"metrics of pair {pair_key} in that slice")


def _contrast(
    row: dict[str, Any],
    studies: list[dict[str, Any]],
    left_out: list[str],
    pooled: dict[str, dict[str, Any]] | None,
    names: str,
) -> dict[str, Any]:
    """A contrast's row of the fact, or of the studies that are left, with its plot and words."""
    own = [study for study in studies if study["contrast"] == row["contrast"]]
    kept = [study for study in own if study["study_accession_code"] not in left_out]
    said = {"advice": advice(row)}
    if pooled is not None:
        again = pooled.get(row["contrast"], {"theta_re": None, "i2": None, "tau2": None})
        row = {**row, **dict.fromkeys(_RATES), **again, "n_studies": len(kept)}
        said = {"advice": "Pooled again without these studies: there is no q for it."}
    plot = None
    if kept:
        lines = study_rows(kept, row["tau2"] or 0.0)
        plot = forest_plot(f"{names}: {row['description']}", lines, pooled_rows(row))
    said["heterogeneity"] = heterogeneity(row["i2"], row["n_studies"])
    return {**row, **said, "studies": own, "plot": plot}
