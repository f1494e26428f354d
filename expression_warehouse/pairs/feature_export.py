"""Features as tables for machine learning: `expression-warehouse pairs export-features`.

DIR/gene_in_study.parquet   one row per gene and study
DIR/gene_in_slice.parquet   one row per gene and slice (disease × technology × organism)
DIR/gene_pair.parquet       one row per gene pair and slice
DIR/sample.parquet          one row per sample
DIR/study_cohort.parquet    one row per study and illness label
DIR/data_dictionary.csv     one row per file and column
"""

import csv
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from expression_warehouse.core.files import named_os_errors, open_atomically
from expression_warehouse.core.process_log import OpenWarehouse, ProcessLog
from expression_warehouse.core.reporting import Reporter, Stopwatch
from expression_warehouse.core.warehouse.base import Warehouse
from expression_warehouse.pairs.catalog import (
    PAIR_FEATURES,
    Feature,
    features_of,
    features_query,
    pairs_query,
)

DICTIONARY = "data_dictionary.csv"

_ROW_GROUP_SIZE = 100_000

_SLICE = {
    "disease_label": ("d.disease_label", pa.string(), "Disease of the slice."),
    "technology": ("e.technology", pa.string(), "Technology of the slice."),
    "organism": ("e.organism", pa.string(), "Organism of the slice."),
}
_STUDY = {"study_accession_code": ("s.study_accession_code", pa.string(), "The study.")}
_GENE = {
    "gene_id": ("g.gene_id", pa.string(), "The gene."),
    "gene_key": ("g.gene_key", pa.int32(), "Its key in the warehouse."),
}
_ILLNESS = {"illness_label": ("i.illness_label", pa.string(), "Illness label of the cohort.")}


@dataclass(frozen=True)
class Entity:
    """A kind of entity, which has a file with one row per entity.

    models  the models that compute its features
    keys    column → SQL expression, type, description; rows are sorted by them
    joins   SQL that joins the keys to a row `e` of features
    rows    returns SQL of the rows `e`; default: `features_query`
    """

    name: str
    models: tuple[str, ...]
    keys: dict[str, tuple[str, pa.DataType, str]]
    joins: str
    rows: Callable[[], str] | None = None

    @property
    def features(self) -> tuple[Feature, ...]:
        return features_of(*self.models)

    @property
    def schema(self) -> pa.Schema:
        keys = [pa.field(name, type_, nullable=False) for name, (_, type_, _) in self.keys.items()]
        return pa.schema([*keys, *(pa.field(f.feature_name, _type(f)) for f in self.features)])


_OF_STUDY = "inner join {dim}.dim_study as s on e.study_key = s.study_key"
_OF_SLICE = "inner join {dim}.dim_disease as d on e.disease_key = d.disease_key"
_OF_GENE = "inner join {dim}.dim_gene as g on e.entity_id_1 = g.gene_key"

ENTITIES = (
    Entity("gene_in_study", ("int_gene_feature",), _STUDY | _GENE, f"{_OF_STUDY} {_OF_GENE}"),
    Entity("gene_in_slice", ("int_gene_hub_feature",), _SLICE | _GENE, f"{_OF_SLICE} {_OF_GENE}"),
    Entity(
        "gene_pair",
        ("fact_gene_pair_metrics", *PAIR_FEATURES),
        _SLICE
        | {
            "pair_key": ("e.pair_key", pa.int32(), "Key of the pair in the warehouse."),
            "gene_a_id": ("a.gene_id", pa.string(), "The gene with the smaller key."),
            "gene_b_id": ("b.gene_id", pa.string(), "The other gene."),
        },
        f"{_OF_SLICE} inner join {{dim}}.dim_gene as a on e.gene_a_key = a.gene_key"
        " inner join {dim}.dim_gene as b on e.gene_b_key = b.gene_key",
        pairs_query,
    ),
    Entity(
        "sample",
        ("int_sample_feature",),
        _STUDY
        | {
            "sample_accession_code": ("m.sample_accession_code", pa.string(), "The sample."),
            **_ILLNESS,
        },
        f"{_OF_STUDY} inner join {{dim}}.dim_sample as m on e.entity_id_1 = m.sample_key"
        " inner join {dim}.dim_illness as i on m.illness_key = i.illness_key",
    ),
    Entity(
        "study_cohort",
        ("int_study_cohort_feature",),
        _STUDY | _ILLNESS,
        f"{_OF_STUDY} inner join {{dim}}.dim_illness as i on e.entity_id_2 = i.illness_key",
    ),
)


def export_features(folder: Path, open_warehouse: OpenWarehouse, reporter: Reporter) -> None:
    """Write the files into a folder, or replace them; equal features are equal bytes."""
    with open_warehouse(reporter.waiting) as warehouse:
        log = ProcessLog(warehouse, reporter.run_id)
        with log.step("export-features", {"folder": str(folder)}) as step:
            step.rows_written = sum(
                _export(warehouse, entity, folder, reporter) for entity in ENTITIES
            )
            _write_dictionary(folder / DICTIONARY)


def _export(warehouse: Warehouse, entity: Entity, folder: Path, reporter: Reporter) -> int:
    watch = Stopwatch()
    path = folder / f"{entity.name}.parquet"
    rows = 0
    with named_os_errors(path):
        folder.mkdir(parents=True, exist_ok=True)
        with (
            warehouse.stream(_query(entity)) as batches,
            open_atomically(path) as file,
            pq.ParquetWriter(file, entity.schema, compression="zstd") as writer,
        ):
            for table in _row_groups(batches, entity.schema):
                writer.write_table(table)
                rows += table.num_rows
    reporter.step(None, "features_exported", file=str(path), row_count=rows, seconds=watch.seconds)
    return rows


def _query(entity: Entity) -> str:
    """SQL of the rows of the entity, sorted by its keys."""
    keys = ", ".join(f"{expression} as {name}" for name, (expression, _, _) in entity.keys.items())
    order = ", ".join(expression for expression, _, _ in entity.keys.values())
    names = [f.feature_name for f in entity.features]
    rows = entity.rows() if entity.rows else features_query(names)
    return (
        f"select {keys}, {', '.join(f'e.{name}' for name in names)} from (\n    {rows}\n) as e "
        f"{entity.joins} order by {order}"
    )


def _row_groups(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    """The rows in groups of one size, whatever batches the engine returns."""
    waiting = schema.empty_table()
    for batch in batches:
        table = pa.table(batch).select(schema.names).cast(schema)
        waiting = pa.concat_tables([waiting, table])
        while waiting.num_rows >= _ROW_GROUP_SIZE:
            yield waiting.slice(0, _ROW_GROUP_SIZE).combine_chunks()
            waiting = waiting.slice(_ROW_GROUP_SIZE)
    yield waiting.combine_chunks()


def _type(feature: Feature) -> pa.DataType:
    return pa.int64() if feature.expected_scale == "count" else pa.float64()


def _write_dictionary(path: Path) -> None:
    """One row per file and column: its type, and its entry in the feature catalog."""
    columns = ["file", "column", "dtype", "entity_scope", "description", "formula"]
    columns += ["expected_scale", "scale_min", "scale_max", "null_policy"]
    with named_os_errors(path), path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        for entity in ENTITIES:
            entries = {name: {"description": text} for name, (_, _, text) in entity.keys.items()}
            entries |= {feature.feature_name: vars(feature) for feature in entity.features}
            for field in entity.schema:
                row = {"file": f"{entity.name}.parquet", "column": field.name, "dtype": field.type}
                writer.writerow(row | entries[field.name])
