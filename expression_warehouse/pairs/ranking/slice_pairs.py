"""The slices whose pairs have metrics, and the pairs of one with their features."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from expression_warehouse.core.errors import UserError
from expression_warehouse.core.warehouse.base import Warehouse
from expression_warehouse.pairs.catalog import features_of
from expression_warehouse.pairs.slices import Slice, require_disease

_SLICES = """
select distinct
    d.disease_label,
    m.technology,
    m.batch_id
from {fact}.fact_gene_pair_metrics as m
inner join {dim}.dim_disease as d on m.disease_key = d.disease_key
order by d.disease_label, m.technology
"""

# Scores are computed from the other features.
_SCORES = {"metrics_score", "rank_score", "unsupervised_score", "new_rank_score"}


@dataclass(frozen=True)
class BuiltSlice(Slice):
    """A slice of fact_gene_pair_metrics; batch_id is the state its pairs were computed from."""

    batch_id: str


@dataclass(frozen=True)
class SlicePairs:
    """The pairs of a slice that have a contrast, by pair_key.

    keys      columns pair_key, gene_a_key, gene_b_key, gene_a_id, gene_b_id
    features  name → values, NaN if a pair has none: the metrics of fact_gene_pair_metrics, and the
              features of gene pairs
    """

    keys: pa.Table
    features: dict[str, np.ndarray]

    def __len__(self) -> int:
        return self.keys.num_rows

    def holding(self, gene_id: str) -> np.ndarray:
        """(pairs,): whether a gene is in the pair."""
        columns = (self.keys[side].to_numpy() for side in ("gene_a_id", "gene_b_id"))
        return np.logical_or.reduce([column == gene_id for column in columns])


def read_built_slices(
    warehouse: Warehouse, disease: str | None, technology: str | None
) -> list[BuiltSlice]:
    """The slices that have pairs, of a disease and technology if they are given.

    Raises UserError 54030 if there are none, and 4008 if the warehouse was not built.
    """
    if disease is not None:
        require_disease(warehouse, disease)
    built = [BuiltSlice(**row) for row in warehouse.read(_SLICES, {}).to_pylist()]
    chosen = [
        slice_
        for slice_ in built
        if disease in (None, slice_.disease_label) and technology in (None, slice_.technology)
    ]
    if not chosen:
        raise UserError(
            "CONFIG_INVALID",
            "fact_gene_pair_metrics has no such slice",
            expected=f"one of {', '.join(map(str, built)) or 'none: it is empty'}",
            action="Correct --disease and --technology, or give a study its disease and build",
        )
    return chosen


def read_slice_pairs(warehouse: Warehouse, slice_: BuiltSlice) -> SlicePairs:
    """The pairs of a slice with their features, without scores.

    Raises UserError 4008 if the warehouse was not built.
    """
    table = warehouse.read(_pairs_query(), {}, {"batch_id": slice_.batch_id})
    keys = ["pair_key", "gene_a_key", "gene_b_key", "gene_a_id", "gene_b_id"]
    return SlicePairs(
        table.select(keys).combine_chunks(),
        {
            name: table[name].to_numpy().astype(np.float64)
            for name in table.column_names
            if name not in keys
        },
    )


def _pairs_query() -> str:
    metrics = [f.feature_name for f in features_of("fact_gene_pair_metrics")]
    of_pairs = [f.feature_name for f in features_of("int_gene_pair_feature")]
    metric_columns = "".join(f",\n    m.{name}" for name in metrics if name not in _SCORES)
    return f"""
select
    m.pair_key,
    p.gene_a_key,
    p.gene_b_key,
    a.gene_id as gene_a_id,
    b.gene_id as gene_b_id{metric_columns}{"".join(f", f.{name}" for name in of_pairs)}
from {{fact}}.fact_gene_pair_metrics as m
inner join {{dim}}.dim_gene_pair as p on m.pair_key = p.pair_key
inner join {{dim}}.dim_gene as a on p.gene_a_key = a.gene_key
inner join {{dim}}.dim_gene as b on p.gene_b_key = b.gene_key
left join (
    {pivoted(of_pairs, "entity_scope = 'GENE_PAIR' and batch_id = $batch_id")}
) as f on p.gene_a_key = f.entity_id_1 and p.gene_b_key = f.entity_id_2
where m.batch_id = $batch_id and m.combined_effect_size is not null
order by m.pair_key
"""


def pivoted(names: list[str], condition: str) -> str:
    """SQL of rows of fact_feature_values that meet a condition, one column per feature.

    names  from the feature catalog, as in entity files of `export-features`
    """
    columns = "".join(
        f",\n        max(case when feature_name = '{name}' then feature_value end) as {name}"
        for name in names
    )
    return f"""select
        entity_id_1,
        entity_id_2,
        study_key,
        disease_key,
        technology{columns}
    from {{fact}}.fact_feature_values
    where {condition}
    group by entity_id_1, entity_id_2, study_key, disease_key, technology"""
