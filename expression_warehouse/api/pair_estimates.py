"""A pair's correlations per cohort and differences per study, in one query.

Its correlations take most of the time of its page, and both need them.
"""

import functools
from dataclasses import dataclass
from typing import Any

from expression_warehouse.api.store import Edition
from expression_warehouse.core.warehouse.macros import statistics_macros


@dataclass(frozen=True)
class PairEstimates:
    """Rows of all slices.

    cohorts  disease_label, technology, organism, study_accession_code, illness_label, n, r; in
             order of slice and study
    studies  disease_label, technology, organism, contrast, study_accession_code, n, case_r,
             reference_r, theta, se; in order of slice, contrast and study
    """

    cohorts: list[dict[str, Any]]
    studies: list[dict[str, Any]]


_COHORT = ("illness_label", "r")
_STUDY = ("contrast", "case_r", "reference_r", "theta", "se")


def pair_estimates(edition: Edition, pair_key: int) -> PairEstimates:
    """What vw_pair_cohort and vw_pair_study have of a pair."""
    rows = edition.rows(_query(edition.warehouse.engine), {}, {"pair_key": str(pair_key)})

    def part(is_of_part: bool, others: tuple[str, ...]) -> list[dict[str, Any]]:
        return [
            {name: value for name, value in row.items() if name not in others}
            for row in rows
            if (row["contrast"] is None) == is_of_part
        ]

    return PairEstimates(cohorts=part(True, _STUDY), studies=part(False, _COHORT))


@functools.cache
def _query(engine: str) -> str:
    macros = statistics_macros(engine)
    differences = macros.study_differences(
        "differences",
        "cohorts",
        "{staging}.stg_contrast_cohort",
        "{dim}.dim_contrast",
    )
    return f"""
        with cohorts as {macros.materialized()}(
            select * from {{analytics}}.vw_pair_cohort
        ),

        {differences}

        select
            c.disease_label, c.technology, c.organism, cast(null as varchar(16)) as contrast,
            c.study_accession_code, c.illness_label, c.n, c.r, cast(null as float(53)) as case_r,
            cast(null as float(53)) as reference_r, cast(null as float(53)) as theta,
            cast(null as float(53)) as se
        from cohorts as c
        union all
        select
            d.disease_label, d.technology, d.organism, d.contrast,
            d.study_accession_code, null, d.n, null, d.case_r, d.reference_r, d.theta, d.se
        from differences as d
        order by disease_label, technology, organism, contrast, study_accession_code, illness_label
    """
