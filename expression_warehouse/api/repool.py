"""A pair pooled again without some studies, by the same SQL as the build."""

import functools
from collections.abc import Sequence
from typing import Any

from expression_warehouse.api.store import Edition
from expression_warehouse.core.warehouse.macros import statistics_macros

# Columns of the macro → those of fact_gene_pair_contrast.
_COLUMNS = {
    "k": "n_studies", "n_samples": "n_samples", "theta_re": "theta_re", "se_re": "se_re",
    "ci_low": "ci_low", "ci_high": "ci_high", "q": "cochran_q", "q_p": "cochran_q_p", "i2": "i2",
    "tau2": "tau2", "z": "z", "p": "p", "hk_se": "hk_se", "hk_ci_low": "hk_ci_low",
    "hk_ci_high": "hk_ci_high", "hk_p": "p_hk", "pi_low": "pi_low", "pi_high": "pi_high",
    "hk_adhoc_se": "hk_adhoc_se", "hk_adhoc_p": "p_hk_adhoc", "loo_min": "loo_min",
    "loo_max": "loo_max", "kappa": "kappa",
}  # fmt: skip


def pooled_without(
    edition: Edition, pair_key: int, slice_: tuple[str, str, str], studies: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Contrast → its pooled columns over the slice's other studies. A contrast that no other study
    has is left out.

    slice_  disease, technology, organism
    """
    names = {f"study_{number}": study for number, study in enumerate(studies)}
    query = _query(edition.warehouse.engine).replace(
        "@studies", ", ".join(f"${name}" for name in names)
    )
    disease, technology, organism = slice_
    parameters = {"disease": disease, "technology": technology, "organism": organism, **names}
    rows = edition.rows(query, parameters, {"pair_key": str(pair_key)})
    return {row.pop("contrast"): row for row in rows}


@functools.cache
def _query(engine: str) -> str:
    macros = statistics_macros(engine)
    columns = ", ".join(f"p.{name} as {column}" for name, column in _COLUMNS.items())
    return f"""
        with estimates as {macros.materialized()}(
            select contrast, study_key as study_no, theta, se, n
            from {{analytics}}.vw_pair_study
            where
                disease_label = $disease
                and technology = $technology
                and organism = $organism
                and study_accession_code not in (@studies)
        ),

        {macros.pool_estimates_by_rows("pooled", "estimates", ["contrast"])}

        select p.contrast, {columns}
        from pooled as p
    """
