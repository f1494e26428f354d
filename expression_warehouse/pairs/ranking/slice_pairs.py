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
from expression_warehouse.pairs.catalog import names_of, pairs_query
from expression_warehouse.pairs.slices import Slice, SliceFilter

# stg_slice has the state that the next build would compute the pairs of a slice from.
_SLICES = """
select
    d.disease_label,
    m.technology,
    m.organism,
    m.batch_id,
    case when m.batch_id = s.batch_id then 1 else 0 end as is_current
from (
    select distinct disease_key, technology, organism, batch_id
    from {fact}.fact_gene_pair_metrics
) as m
inner join {dim}.dim_disease as d on m.disease_key = d.disease_key
left join {staging}.stg_slice as s
    on m.disease_key = s.disease_key and m.technology = s.technology and m.organism = s.organism
order by d.disease_label, m.technology, m.organism
"""

_KEYS = ["pair_key", "gene_a_key", "gene_b_key", "gene_a_id", "gene_b_id"]
_DECIDING = ("q_star", "effect", "i2")

# Scores are computed from the other features.
_SCORES = {"metrics_score", "rank_score", "unsupervised_score", "new_rank_score"}


@dataclass(frozen=True)
class BuiltSlice(Slice):
    """A slice of fact_gene_pair_metrics.

    batch_id    the state that its pairs were computed from
    is_current  whether the next build keeps its pairs: no screen or file is staged for it that is
                not built, and no study came or went
    """

    batch_id: str
    is_current: bool = True


@dataclass(frozen=True)
class SlicePairs:
    """The pairs of a slice that have an eligible contrast, by the ids of their genes.

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


def read_built_slices(warehouse: Warehouse, wanted: SliceFilter) -> list[BuiltSlice]:
    """The slices that have pairs.

    Raises UserError 54030 if there are none, and 4008 if the warehouse was not built.
    """
    if wanted.disease is not None:
        require_disease(warehouse, wanted.disease)
    built = [BuiltSlice(**row) for row in warehouse.read(_SLICES).to_pylist()]
    chosen = [slice_ for slice_ in built if slice_.fits(wanted)]
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
    table = by_genes(warehouse.read(_pairs_query(), {"batch_id": slice_.batch_id}))
    values = {
        name: table[name].to_numpy().astype(np.float64)
        for name in table.column_names
        if name not in _KEYS
    }
    deciding = {name: values.pop(f"deciding_{name}") for name in _DECIDING}
    return SlicePairs(table.select(_KEYS).combine_chunks(), values, deciding)


def by_genes(pairs: pa.Table) -> pa.Table:
    """Pairs in the order of their gene ids, since the models draw pairs by their place. Keys follow
    the order in which studies came, and each engine has its own order of texts."""
    a, b = pairs["gene_a_id"], pairs["gene_b_id"]
    genes = {"first": pc.min_element_wise(a, b), "second": pc.max_element_wise(a, b)}
    return pairs.take(pc.sort_indices(pa.table(genes), [(name, "ascending") for name in genes]))


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
    names = names_of("fact_gene_pair_metrics", "int_gene_pair_feature")
    columns = "".join(f",\n    m.{name}" for name in names if name not in _SCORES)
    macros = project_macros("duckdb")
    deciding = {
        "q_star": macros.q_star("m"),
        "effect": macros.effect("m"),
        "i2": macros.i2_star("m"),
    }
    deciding_columns = "".join(f",\n    {deciding[name]} as deciding_{name}" for name in _DECIDING)
    return f"""
select
    m.pair_key,
    m.gene_a_key,
    m.gene_b_key,
    a.gene_id as gene_a_id,
    b.gene_id as gene_b_id{columns}{deciding_columns}
from (
    select r.*, c.q_pair, c.theta_re, c.i2
    from (
    {pairs_query("and batch_id = $batch_id")}
    ) as r
    left join {{fact}}.fact_gene_pair_contrast as c
        on
            r.pair_key = c.pair_key
            and r.disease_key = c.disease_key
            and r.technology = c.technology
            and r.organism = c.organism
            and c.is_deciding = 1
) as m
inner join {{dim}}.dim_gene as a on m.gene_a_key = a.gene_key
inner join {{dim}}.dim_gene as b on m.gene_b_key = b.gene_key
where m.batch_id = $batch_id and {deciding["effect"]} is not null
"""
