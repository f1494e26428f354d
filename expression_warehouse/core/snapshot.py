"""A copy of what the API reads, so that readers and builds do not wait for each other.

DuckDB lets either one process write a file or several read it. A snapshot is a file of its own:
`publish` makes a new one beside the warehouse, and the API takes up the newest.
"""

import contextlib
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from expression_warehouse.core.clock import utc_now
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.files import named_os_errors, new_folder
from expression_warehouse.core.reporting import Reporter
from expression_warehouse.core.snapshot_ranks import (
    pair_metrics_view,
    pair_row_view,
    write_pair_metrics,
    write_ranks,
)
from expression_warehouse.core.warehouse.duckdb import file_path, literal, require_file, writing
from expression_warehouse.core.warehouse.macros import project_macros
from expression_warehouse.core.warehouse.profile import read_profile

# Schema, relation and the order of its rows. A view that is listed here is kept as its rows, since
# what it reads stays behind.
TABLES = (
    ("dim", "dim_study", "study_key"),
    ("dim", "dim_sample", "sample_key"),
    ("dim", "dim_gene", "gene_key"),
    ("dim", "dim_gene_pair", "pair_key"),
    ("dim", "dim_illness", "illness_key"),
    ("dim", "dim_disease", "disease_key"),
    ("dim", "dim_contrast", "contrast_key"),
    ("dim", "gene_identifier", "identifier_key"),
    ("fact", "fact_gene_pair_contrast", "pair_key, disease_key, technology, organism"),
    ("fact", "fact_gene_pair_cohort", "pair_key, disease_key, technology, organism"),
    ("staging", "batch", "batch_id"),
    ("staging", "stg_sample_config", "batch_id, sample_accession_code"),
    ("staging", "stg_slice_sample", "study_key, sample_key"),
    ("staging", "stg_slice_cohort", "study_key, illness_key"),
    ("staging", "stg_contrast_cohort", "contrast_key, illness_key"),
    ("seeds", "unit", "unit_tag"),
    ("meta", "meta_study_qc", "study_key"),
    ("meta", "meta_calibration", "disease_label, technology, organism"),
    ("meta", "vw_run", "started_at"),
    ("meta", "vw_finding_current", "created_at"),
    ("analytics", "vw_contrast_study", "study_key, contrast_key"),
    # By gene, since a page reads the values of one or two genes.
    ("analytics", "vw_expression_export", "gene_key"),
    ("analytics", "vw_gene_annotation", "gene_id"),
    ("analytics", "llm_reviews", "created_at, review_id"),
)
# Views that stay views in the snapshot, each listed after the views it reads.
VIEWS = (
    ("analytics", "vw_expression_by_cohort"),
    ("analytics", "vw_pair_cohort"),
    ("analytics", "vw_pair_study"),
    ("analytics", "vw_pair_metrics_ranked"),
)
_FILE = "snapshot.duckdb"
# The newest, and the one before it, which the API may still be reading.
_KEPT = 2


@dataclass(frozen=True)
class Snapshot:
    """A published copy.

    version  its name: when it was published, as 20260301T102030.123456Z; later ones sort after it
    path     its file
    """

    version: str
    path: Path


def snapshot_folder(warehouse: Path) -> Path:
    """Where the snapshots of a warehouse file are: beside it."""
    return warehouse.with_name(f"{warehouse.stem}.snapshots")


def newest_snapshot(warehouse: Path) -> Snapshot | None:
    """The snapshot published last; None before the first."""
    files = sorted(snapshot_folder(warehouse).glob(f"[0-9]*/{_FILE}"))
    return Snapshot(files[-1].parent.name, files[-1]) if files else None


def publish(warehouse: Path, tell_waiting: Callable[[str], None]) -> tuple[Snapshot, float]:
    """Copy what the API reads into a new snapshot; return it and the seconds it took.

    tell_waiting  takes a sentence if another process holds the warehouse

    A snapshot is there as a whole or not at all, and readers of earlier ones go on. Raises
    UserError 4001 if the warehouse cannot be opened, 4008 if it is not built, 54302 if there is no
    room.
    """
    began = time.monotonic()
    version = f"{utc_now():%Y%m%dT%H%M%S.%fZ}"
    folder = snapshot_folder(warehouse) / version
    with new_folder(folder) as unfinished:
        _copy(warehouse, unfinished / _FILE, tell_waiting)
    _remove_old(warehouse)
    return Snapshot(version, folder / _FILE), time.monotonic() - began


def publish_again(target: str | None, reporter: Reporter) -> UserError | None:
    """Publish a DuckDB target that was published before, which means that somebody serves it;
    return the error if that fails, after it is reported."""
    try:
        credentials: Any = read_profile(target).credentials
        if credentials.type == "duckdb" and newest_snapshot(warehouse := file_path(credentials)):
            publish_reported(warehouse, reporter)
    except UserError as error:
        reporter.failed(None, error)
        return error
    return None


def publish_reported(warehouse: Path, reporter: Reporter) -> None:
    """As `publish`; its version, size and seconds are reported."""
    snapshot, seconds = publish(warehouse, reporter.waiting)
    reporter.step(
        None,
        "snapshot_published",
        version=snapshot.version,
        megabytes=round(snapshot.path.stat().st_size / 1e6, 1),
        seconds=round(seconds, 3),
    )


def _copy(source: Path, target: Path, tell_waiting: Callable[[str], None]) -> None:
    require_file(source)
    schema_name = project_macros("duckdb").schema_name
    with (
        writing(str(source), tell_waiting) as connection,
        _named_errors(source),
    ):
        connection.execute("set memory_limit = '2GB'")
        connection.execute(f"attach {literal(target)} as snapshot")
        for schema, name, order in TABLES:
            relation = f"{schema_name(schema)}.{name}"
            connection.execute(f"create schema if not exists snapshot.{schema_name(schema)}")
            connection.execute(
                f"create table snapshot.{relation} as from {relation} order by {order}"
            )
        write_pair_metrics(connection, schema_name)
        write_ranks(connection, schema_name)
        statements = [
            pair_metrics_view(connection, schema_name),
            *(_view_statement(connection, schema_name(schema), name) for schema, name in VIEWS),
            pair_row_view(connection, schema_name),
        ]
        # Without it, the rows of one pair cost a scan of those of thousands.
        contrasts = f"snapshot.{schema_name('fact')}.fact_gene_pair_contrast"
        connection.execute(f"create index pair_contrasts on {contrasts} (pair_key)")
        connection.execute("use snapshot")
        for statement in statements:
            connection.execute(statement)
        connection.execute("checkpoint snapshot")


def _view_statement(connection: duckdb.DuckDBPyConnection, schema: str, name: str) -> str:
    query = (
        "select sql from duckdb_views() where database_name = current_database()"
        " and schema_name = ? and view_name = ?"
    )
    row = connection.execute(query, [schema, name]).fetchone()
    if row is None:
        raise duckdb.CatalogException(f"View {schema}.{name} does not exist")
    return row[0]


@contextlib.contextmanager
def _named_errors(source: Path) -> Iterator[None]:
    try:
        yield
    except duckdb.CatalogException as error:
        message = str(error).splitlines()[0]
        raise UserError("LOAD_WAREHOUSE_NOT_BUILT", message, file=str(source)) from error
    except duckdb.Error as error:
        raise UserError("SNAPSHOT_FAILED", str(error), file=str(source)) from error


def _remove_old(warehouse: Path) -> None:
    published = sorted(snapshot_folder(warehouse).glob("[0-9]*"))
    for folder in published[:-_KEPT]:
        with named_os_errors(folder):
            shutil.rmtree(folder)
