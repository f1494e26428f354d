"""The feature catalog: seed feature_catalog, as Python sees it, and SQL that reads features, one
column per feature."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from expression_warehouse.core.project import read_seed

# Models whose features of gene pairs are rows of fact_feature_values; metrics of pairs are columns.
PAIR_FEATURES = ("int_gene_pair_feature", "stg_feature_value")


@dataclass(frozen=True)
class Feature:
    """A row of the catalog, with its columns; a missing bound is None."""

    feature_name: str
    entity_scope: str
    description: str
    formula: str
    expected_scale: str
    scale_min: float | None
    scale_max: float | None
    null_policy: str
    source_model: str

    @property
    def is_signed(self) -> bool:
        """Whether values on both sides of 0 are possible."""
        return self.scale_min is None or self.scale_min < 0


@functools.cache
def features() -> tuple[Feature, ...]:
    """All features, in the catalog's order."""
    rows: list[dict[str, Any]] = [dict(row) for row in read_seed("feature_catalog")]
    for row in rows:
        for bound in ("scale_min", "scale_max"):
            row[bound] = float(row[bound]) if row[bound] else None
    return tuple(Feature(**row) for row in rows)


def features_of(*models: str) -> tuple[Feature, ...]:
    """The features that these models compute."""
    return tuple(feature for feature in features() if feature.source_model in models)


def names_of(*models: str) -> list[str]:
    """The names of the features that these models compute."""
    return [feature.feature_name for feature in features_of(*models)]


def features_query(names: Sequence[str], condition: str = "") -> str:
    """SQL of fact_feature_values: one row per entity, and a column per feature.

    condition  a further one on its rows, as "and batch_id = $batch_id"
    """
    entity = "entity_id_1, entity_id_2, study_key, disease_key, technology, organism"
    columns = ", ".join(
        f"max(case when feature_name = '{name}' then feature_value end) as {name}" for name in names
    )
    chosen = ", ".join(f"'{name}'" for name in names)
    return f"""select {entity}, {columns}
    from {{fact}}.fact_feature_values
    where feature_name in ({chosen}) {condition}
    group by {entity}"""


def pairs_query(condition: str = "") -> str:
    """SQL of fact_gene_pair_metrics, with the keys of both genes and a column per feature of
    PAIR_FEATURES.

    condition  as of `features_query`
    """
    names = names_of(*PAIR_FEATURES)
    columns = ", ".join(f"f.{name}" for name in names)
    return f"""select m.*, p.gene_a_key, p.gene_b_key, {columns}
    from {{fact}}.fact_gene_pair_metrics as m
    inner join {{dim}}.dim_gene_pair as p on m.pair_key = p.pair_key
    left join (
    {features_query(names, condition)}
    ) as f
        on p.gene_a_key = f.entity_id_1 and p.gene_b_key = f.entity_id_2
        and m.disease_key = f.disease_key and m.technology = f.technology
        and m.organism = f.organism"""
