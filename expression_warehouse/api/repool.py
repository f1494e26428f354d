"""A pair pooled again without some studies, by the same SQL as the build."""

import functools
from collections.abc import Sequence
from typing import Any

from expression_warehouse.api.store import Edition
from expression_warehouse.core.warehouse.macros import project_macros, statistics_macros


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
    lines = map(str.split, project_macros(engine).pair_contrast_columns().splitlines())
    # The fact computes the others from all pairs of a slice.
    columns = ", ".join(f"p.{column} as {name}" for name, *_, column in lines if column != "-")
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
