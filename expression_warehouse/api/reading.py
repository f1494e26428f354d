"""Reads of the API: each raises MissingError if what is named is not there."""

from typing import Any

import pyarrow as pa

from expression_warehouse.api import queries
from expression_warehouse.api.rank_settings import RankSettings
from expression_warehouse.api.store import Edition


class MissingError(Exception):
    """What a request names is not in the warehouse; the message says what."""


def ranked(edition: Edition, settings: RankSettings) -> pa.Table:
    """Rows of vw_pair_metrics_ranked, in order of slice and rank.

    Raises MissingError if the warehouse has no such disease, or the disease no such contrast.
    """
    known = edition.rows(queries.CONTRASTS, {"disease": settings.disease})
    if not known:
        raise MissingError(f"disease {settings.disease}")
    names = {row["contrast"] for row in known}
    if settings.contrast not in {*names, "all"}:
        raise MissingError(f"contrast {settings.contrast} of {settings.disease}")
    return edition.table(queries.RANKED, settings.parameters, settings.session)


def pair(edition: Edition, pair_key: int) -> dict[str, Any]:
    """Both genes of a pair."""
    rows = edition.rows(queries.PAIR, {"pair_key": pair_key})
    if not rows:
        raise MissingError(f"pair {pair_key}")
    return rows[0]


def pair_studies(edition: Edition, pair_key: int) -> pa.Table:
    """Rows of vw_pair_study: the estimate of each study, slice and contrast."""
    pair(edition, pair_key)
    return edition.table(queries.PAIR_STUDIES, {}, {"pair_key": str(pair_key)})


def pair_cohorts(edition: Edition, pair_key: int) -> pa.Table:
    """Rows of vw_pair_cohort: the correlation in each cohort of each study and slice."""
    return edition.table(queries.PAIR_STUDY_COHORTS, {}, {"pair_key": str(pair_key)})


def pair_values(
    edition: Edition, pair_key: int, disease: str, technology: str, organism: str
) -> pa.Table:
    """Both values of each sample of a slice."""
    slice_ = {"disease": disease, "technology": technology, "organism": organism}
    return edition.table(queries.PAIR_VALUES, {"pair_key": pair_key, **slice_})


def gene(edition: Edition, name: str) -> dict[str, Any]:
    """A gene by its id or symbol. Raises MissingError for a symbol that several genes have."""
    rows = edition.rows(queries.FIND_GENES, {"gene": name})
    if len(rows) > 1:
        ids = ", ".join(row["gene_id"] for row in rows)
        raise MissingError(f"one gene {name}: it is the symbol of {ids}")
    if not rows:
        raise MissingError(f"gene {name}")
    return rows[0]


def study(edition: Edition, accession: str) -> dict[str, Any]:
    """A study's row of STUDIES."""
    for row in edition.rows(queries.STUDIES):
        if row["study_accession_code"] == accession:
            return row
    raise MissingError(f"study {accession}")


def findings(edition: Edition, study_accession: str | None = None) -> list[dict[str, Any]]:
    """What loads and builds found, of all studies or one, the newest first."""
    return edition.rows(queries.FINDINGS, {"study": study_accession})
