"""The slices whose pairs have metrics, and the pairs of one with their features."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from expression_warehouse.core.diseases import require_disease
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.warehouse.base import Warehouse
from expression_warehouse.core.warehouse.macros import project_macros
from expression_warehouse.pairs.catalog import features_of
from expression_warehouse.pairs.slices import Slice

_SLICES = """
select distinct
    d.disease_label,
    m.technology,
    m.organism,
    m.batch_id
from {fact}.fact_gene_pair_metrics as m
inner join {dim}.dim_disease as d on m.disease_key = d.disease_key
order by d.disease_label, m.technology, m.organism
"""

# The state that the next build would compute the pairs of a slice from.
_NEXT = """
select s.batch_id
from {staging}.stg_slice as s
inner join {dim}.dim_disease as d on s.disease_key = d.disease_key
where
    d.disease_label = $disease_label
    and s.technology = $technology
    and s.organism = $organism
"""

_KEYS = ["pair_key", "gene_a_key", "gene_b_key", "gene_a_id", "gene_b_id"]
_DECIDING = ("q_star", "effect", "i2")

# Scores are computed from the other features.
_SCORES = {"metrics_score", "rank_score", "unsupervised_score", "new_rank_score"}


@dataclass(frozen=True)
class BuiltSlice(Slice):
    """A slice of fact_gene_pair_metrics; batch_id is the state its pairs were computed from."""

    batch_id: str


@dataclass(frozen=True)
class SlicePairs:
    """The pairs of a slice that have an eligible contrast, by pair_key.

    keys      columns pair_key, gene_a_key, gene_b_key, gene_a_id, gene_b_id
    features  name → values, NaN if a pair has none: the metrics of fact_gene_pair_metrics, and the
              features of gene pairs
    deciding  q_star, effect and i2 of the contrast that decides; of a row of a file, what that
              gives
    """

    keys: pa.Table
    features: dict[str, np.ndarray]
    deciding: dict[str, np.ndarray]

    def __len__(self) -> int:
        return self.keys.num_rows

    def holding(self, gene_ids: Sequence[str]) -> np.ndarray:
        """(pairs,): whether one of these genes is in the pair."""
        wanted = pa.array(gene_ids, pa.string())
        a, b = (pc.is_in(self.keys[side], wanted) for side in ("gene_a_id", "gene_b_id"))
        return pc.or_(a, b).to_numpy()


def is_current(warehouse: Warehouse, slice_: BuiltSlice) -> bool:
    """Whether the next build keeps the pairs of the slice: no screen or file is staged for it that
    is not built, and no study came or went."""
    return warehouse.read(_NEXT, slice_.scope)["batch_id"].to_pylist() == [slice_.batch_id]


def read_built_slices(
    warehouse: Warehouse,
    disease_label: str | None = None,
    technology: str | None = None,
    organism: str | None = None,
) -> list[BuiltSlice]:
    """The slices that have pairs, or those of a disease, technology or organism.

    Raises UserError 54030 if there are none, and 4008 if the warehouse was not built.
    """
    if disease_label is not None:
        require_disease(warehouse, disease_label)
    built = [BuiltSlice(**row) for row in warehouse.read(_SLICES).to_pylist()]
    wanted = {"disease_label": disease_label, "technology": technology, "organism": organism}
    chosen = [
        slice_
        for slice_ in built
        if all(own in (None, slice_.scope[name]) for name, own in wanted.items())
    ]
    if not chosen:
        raise UserError(
            "CONFIG_INVALID",
            "fact_gene_pair_metrics has no such slice",
            expected=f"one of {', '.join(map(str, built)) or 'none: it is empty'}",
            action="Correct --disease, --technology and --organism, or give a study its disease "
            "and build",
        )
    return chosen


def read_slice_pairs(warehouse: Warehouse, slice_: BuiltSlice) -> SlicePairs:
    """The pairs of a slice with their features, without scores.

    Raises UserError 4008 if the warehouse was not built.
    """
    table = warehouse.read(_pairs_query(), {"batch_id": slice_.batch_id})
    values = {
        name: table[name].to_numpy().astype(np.float64)
        for name in table.column_names
        if name not in _KEYS
    }
    deciding = {name: values.pop(f"deciding_{name}") for name in _DECIDING}
    return SlicePairs(table.select(_KEYS).combine_chunks(), values, deciding)


def read_watched_genes(warehouse: Warehouse, slice_: BuiltSlice) -> dict[str, list[str]]:
    """The watched genes of the disease, by name: the ids that each can have in studies."""
    query = """
        select watched_name, gene_id
        from {staging}.stg_watched_gene
        where disease_label = $disease_label and gene_id is not null
        order by watched_name, gene_id
    """
    genes: dict[str, list[str]] = {}
    for row in warehouse.read(query, {"disease_label": slice_.disease_label}).to_pylist():
        genes.setdefault(row["watched_name"], []).append(row["gene_id"])
    return genes


def _pairs_query() -> str:
    metrics = [f.feature_name for f in features_of("fact_gene_pair_metrics")]
    of_pairs = [f.feature_name for f in features_of("int_gene_pair_feature")]
    metric_columns = "".join(f",\n    m.{name}" for name in metrics if name not in _SCORES)
    # Of a file's row, these are what its columns of both contrasts give.
    deciding = {
        "q_star": project_macros("duckdb").q_star("m"),
        "effect": "case when m.metrics_source = 'CSV' then m.combined_effect_size"
        " else m.theta_re end",
        "i2": "case when m.metrics_source = 'CSV' then"
        " least(coalesce(m.dz_ss_i2, 1e2), coalesce(m.dz_soth_i2, 1e2)) else m.i2 end",
    }
    deciding_columns = "".join(f",\n    {deciding[name]} as deciding_{name}" for name in _DECIDING)
    pair_columns = "".join(f",\n    f.{name}" for name in of_pairs)
    return f"""
select
    m.pair_key,
    p.gene_a_key,
    p.gene_b_key,
    a.gene_id as gene_a_id,
    b.gene_id as gene_b_id{metric_columns}{pair_columns}{deciding_columns}
from (
    select r.*, c.q_pair, c.theta_re, c.i2
    from {{fact}}.fact_gene_pair_metrics as r
    left join {{fact}}.fact_gene_pair_contrast as c
        on
            r.pair_key = c.pair_key
            and r.disease_key = c.disease_key
            and r.technology = c.technology
            and r.organism = c.organism
            and c.is_deciding = 1
) as m
inner join {{dim}}.dim_gene_pair as p on m.pair_key = p.pair_key
inner join {{dim}}.dim_gene as a on p.gene_a_key = a.gene_key
inner join {{dim}}.dim_gene as b on p.gene_b_key = b.gene_key
left join (
    {pivoted(of_pairs, "entity_scope = 'GENE_PAIR' and batch_id = $batch_id")}
) as f on p.gene_a_key = f.entity_id_1 and p.gene_b_key = f.entity_id_2
where m.batch_id = $batch_id and {deciding["effect"]} is not null
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
        technology,
        organism{columns}
    from {{fact}}.fact_feature_values
    where {condition}
    group by entity_id_1, entity_id_2, study_key, disease_key, technology, organism"""
