"""DuckDB: one file, one process at a time, transactions by any number of threads."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import tenacity
from dbt.adapters.duckdb.credentials import DuckDBCredentials

from loader.clock import utc_now
from loader.errors import LoaderError
from loader.matrix import ROWS, MatrixSummary
from loader.project import project_dir
from loader.warehouse.base import (
    BatchKey,
    FeatureLoad,
    FeatureRun,
    Finding,
    PairLoad,
    PairSource,
    RegisteredBatch,
    Staged,
    StepRecord,
    StudyLoad,
    Warehouse,
)
from loader.warehouse.macros import project_macros
from loader.warehouse.redact import redactor

_SETTINGS = {
    # Rows carry their line, so their order in the file says nothing.
    "preserve_insertion_order": "false",
    # Left alone, DuckDB lets finished blocks pile up. A stream of rows needs no more than this:
    # more is no quicker, and less takes longer.
    "memory_limit": "192MB",
}

# How long to wait for another process (a load, a dbt build) to close the file.
_LOCK_TIMEOUT_S = 300


class DuckDBWarehouse(Warehouse):
    """The file of a duckdb target.

    is_probe  for reading only, as it is: without waiting for another process, and without making
              what is absent

    Raises LoaderError 4001 where the file cannot be opened, or stays locked by another process,
    and 4006 for a path that is no file; a probe 4008 where there is none, and 4010 where another
    process has it open.
    """

    def __init__(
        self,
        credentials: DuckDBCredentials,
        tell_waiting: Callable[[str], None] = print,
        is_probe: bool = False,
    ) -> None:
        self._path = str(file_path(credentials))
        self._macros = project_macros("duckdb")
        self._redacted = redactor(credentials)
        if is_probe:
            self._connection = _probe(self._path)
            return
        self._connection = _connect(self._path, tell_waiting)
        with self._named_errors():
            for setting, value in {**_SETTINGS, **(credentials.settings or {})}.items():
                self._connection.execute(f"set {setting} = '{value}'")
            self._connection.execute(self._macros.create_staging())
            self._connection.execute(self._macros.create_meta())

    def find_batch(self, batch_id: str) -> RegisteredBatch | None:
        query = f"""
            select b.status, b.config_snapshot, m.metadata_json, b.quarantine_reason, b.released_by
            from {self._staging}.batch as b
            inner join {self._staging}.study_metadata as m using (batch_id)
            where b.batch_id = ?
        """
        with self._named_errors():
            row = self._connection.cursor().execute(query, [batch_id]).fetchone()
        return RegisteredBatch(*row) if row else None

    @contextlib.contextmanager
    def load_study(self) -> Iterator[StudyLoad]:
        with self._transaction() as cursor:
            yield DuckDBStudyLoad(cursor, self._macros)

    @contextlib.contextmanager
    def load_pairs(self) -> Iterator[PairLoad]:
        with self._transaction() as cursor:
            yield DuckDBPairLoad(cursor, self._macros)

    @contextlib.contextmanager
    def load_features(self) -> Iterator[FeatureLoad]:
        with self._transaction() as cursor:
            yield DuckDBFeatureLoad(cursor, self._macros)

    def record_step(self, record: StepRecord) -> None:
        row = dataclasses.asdict(record)
        row["error_message"] = self._redacted(record.error_message)
        with self._transaction() as cursor:
            cursor.execute(
                f"""
                delete from {self._meta}.meta_etl_process_log
                where
                    run_id = $run_id
                    and step = $step
                    and batch_id is not distinct from $batch_id
                    and started_at = $started_at
                    and status = 'RUNNING'
                """,
                {name: row[name] for name in ("run_id", "step", "batch_id", "started_at")},
            )
            _insert(cursor, f"{self._meta}.meta_etl_process_log", row)

    def record_finding(self, finding: Finding) -> None:
        row = dataclasses.asdict(finding) | {"created_at": utc_now()}
        row["details"] = self._redacted(finding.details)
        with self._transaction() as cursor:
            _insert(cursor, f"{self._meta}.meta_data_validation_log", row)

    def read(self, query: str, settings: Mapping[str, str]) -> pa.Table:
        with self.stream(query, settings) as batches:
            return batches.read_all()

    @contextlib.contextmanager
    def stream(self, query: str, settings: Mapping[str, str]) -> Iterator[pa.RecordBatchReader]:
        # A cursor is a session of its own, without settings that others made.
        cursor = self._connection.cursor()
        with self._named_errors():
            try:
                for name, value in settings.items():
                    cursor.execute(f"set variable {name} = ?", [value])
                yield cursor.sql(query.format_map(_SchemaNames(self._macros))).to_arrow_reader()
            except duckdb.CatalogException as error:
                raise LoaderError(
                    "LOAD_WAREHOUSE_NOT_BUILT", str(error).splitlines()[0], file=self._path
                ) from error

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with self._named_errors():
            cursor = self._connection.cursor()
            cursor.begin()
            try:
                yield cursor
            except BaseException:
                cursor.rollback()
                raise
            cursor.commit()

    @contextlib.contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except duckdb.Error as error:
            raise LoaderError(
                "LOAD_WRITE_FAILED", self._redacted(str(error)), file=self._path
            ) from error

    def close(self) -> None:
        self._connection.close()

    @property
    def _staging(self) -> str:
        return self._macros.schema_name("staging")

    @property
    def _meta(self) -> str:
        return self._macros.schema_name("meta")


class _SchemaNames(dict[str, str]):
    """dim → the schema's name in this warehouse."""

    def __init__(self, macros: Any) -> None:
        super().__init__()
        self._macros = macros

    def __missing__(self, name: str) -> str:
        return self._macros.schema_name(name)


class DuckDBStudyLoad(StudyLoad):
    """One transaction."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, macros: Any) -> None:
        self._cursor = cursor
        self._macros = macros
        self._staging = macros.schema_name("staging")

    def remove_rows(self, batch_id: str) -> None:
        self._cursor.execute(
            f"delete from {self._staging}.expression_rows where batch_id = ?", [batch_id]
        )

    def insert_rows(self, key: BatchKey, rows: Iterator[pa.RecordBatch]) -> int:
        # The statement reads this variable by its name.
        with _source(ROWS, rows) as melted_rows:  # noqa: F841
            written = self._cursor.execute(
                f"""
                insert into {self._staging}.expression_rows
                select
                    ? as study_accession_code,
                    ? as batch_id,
                    gene_id,
                    sample_accession_code,
                    expression_value,
                    line_no,
                    ? as file_name,
                    ? as file_hash
                from melted_rows
                """,
                [key.study_accession, key.batch_id, key.file.name, key.file.sha256],
            ).fetchone()
        return written[0]

    def put_metadata(self, key: BatchKey, metadata_json: str) -> None:
        self._cursor.execute(
            f"insert or replace into {self._staging}.study_metadata values (?, ?, ?)",
            [key.batch_id, key.study_accession, metadata_json],
        )

    def put_batch(
        self, key: BatchKey, created_at: str, summary: MatrixSummary, config_snapshot: str
    ) -> None:
        self._cursor.execute(
            f"""
            insert into {self._staging}.batch by name
            select
                $batch_id as batch_id,
                $study as study_accession_code,
                $file_name as file_name,
                $file_hash as file_hash,
                $file_size as file_size,
                try_cast($created_at as timestamp) as created_at,
                $staged_at as staged_at,
                $row_count as row_count,
                $gene_count as gene_count,
                $sample_count as sample_count,
                $null_count as null_count,
                $zero_count as zero_count,
                $value_min as value_min,
                $value_max as value_max,
                $is_whole_numbers as is_whole_numbers,
                'STAGED' as status,
                $config_snapshot as config_snapshot
            on conflict (batch_id) do update set
                staged_at = excluded.staged_at,
                row_count = excluded.row_count,
                gene_count = excluded.gene_count,
                sample_count = excluded.sample_count,
                null_count = excluded.null_count,
                zero_count = excluded.zero_count,
                value_min = excluded.value_min,
                value_max = excluded.value_max,
                is_whole_numbers = excluded.is_whole_numbers,
                status = excluded.status,
                quarantine_reason = null,
                released_by = null,
                config_snapshot = excluded.config_snapshot
            """,
            {
                "batch_id": key.batch_id,
                "study": key.study_accession,
                "file_name": key.file.name,
                "file_hash": key.file.sha256,
                "file_size": key.file.size,
                "created_at": created_at,
                "staged_at": utc_now(),
                "row_count": summary.row_count,
                "gene_count": summary.gene_count,
                "sample_count": summary.sample_count,
                "null_count": summary.null_count,
                "zero_count": summary.zero_count,
                "value_min": summary.value_min,
                "value_max": summary.value_max,
                "is_whole_numbers": summary.is_whole_numbers,
                "config_snapshot": config_snapshot,
            },
        )

    def quarantine(self, batch_id: str, reason: str) -> None:
        self._cursor.execute(
            f"""
            update {self._staging}.batch
            set status = 'QUARANTINED', quarantine_reason = ?
            where batch_id = ?
            """,
            [reason, batch_id],
        )

    def restage(
        self, batch_id: str, config_snapshot: str, released_by: str | None
    ) -> MatrixSummary:
        row = self._cursor.execute(
            f"""
            update {self._staging}.batch
            set
                status = 'STAGED',
                staged_at = ?,
                config_snapshot = ?,
                quarantine_reason = null,
                released_by = ?
            where batch_id = ?
            returning
                sample_count, gene_count, null_count, zero_count, value_min, value_max,
                is_whole_numbers
            """,
            [utc_now(), config_snapshot, released_by, batch_id],
        ).fetchone()
        return MatrixSummary(*row)

    def detect_unit(
        self,
        configured: str | None,
        technology: str | None,
        processor: str | None,
        summary: MatrixSummary,
    ) -> str | None:
        technology_word = self._macros.technology("technology")
        expression = self._macros.unit_tag(
            "configured",
            technology_word,
            "processor",
            "value_max",
            "is_whole_numbers",
            "zero_count",
        )
        (unit,) = self._cursor.execute(
            f"""
            select {expression}
            from (
                values (?::varchar, ?::varchar, ?::varchar, ?::double, ?::boolean, ?::bigint)
            ) as study (
                configured, technology, processor, value_max, is_whole_numbers, zero_count
            )
            """,
            [
                configured,
                technology,
                processor,
                summary.value_max,
                summary.is_whole_numbers,
                summary.zero_count,
            ],
        ).fetchone()
        return unit


class DuckDBPairLoad(PairLoad):
    """One transaction; the rows taken in are a temporary table until they are staged."""

    # A pair of one slice, in staging and in the rows taken in.
    _KEY = ("disease_label", "technology", "gene_a_key", "gene_b_key")

    def __init__(self, cursor: duckdb.DuckDBPyConnection, macros: Any) -> None:
        self._cursor = cursor
        self._macros = macros
        self._table = f"{macros.schema_name('staging')}.pair_metrics"

    def diseases(self) -> list[str]:
        query = f"select disease_label from {self._dimension('dim_disease')} order by disease_key"
        return [label for (label,) in self._cursor.execute(query).fetchall()]

    def gene_keys(self) -> np.ndarray:
        query = f"select gene_key from {self._dimension('dim_gene')}"
        return self._cursor.execute(query).fetchnumpy()["gene_key"]

    def _dimension(self, name: str) -> str:
        if not self._has_table("dim", name):
            raise LoaderError(
                "LOAD_WAREHOUSE_NOT_BUILT", f"the warehouse has no table {name} to look keys up in"
            )
        return f"{self._macros.schema_name('dim')}.{name}"

    def _has_table(self, schema: str, name: str) -> bool:
        query = "select count(*) from duckdb_tables() where schema_name = ? and table_name = ?"
        found = self._cursor.execute(query, [self._macros.schema_name(schema), name]).fetchone()
        return found[0] > 0

    def take(self, schema: pa.Schema, rows: Iterator[pa.RecordBatch], file: PairSource) -> int:
        self._cursor.execute(f"create temp table taken as from {self._table} limit 0")
        with _source(schema, rows) as pair_rows:  # noqa: F841
            taken = self._cursor.execute(
                """
                insert into taken by name
                select
                    *,
                    ? as file_name,
                    ? as file_hash,
                    ?::timestamp as staged_at
                from pair_rows
                """,
                [file.name, file.sha256, utc_now()],
            ).fetchone()
        return taken[0]

    def find_conflict(self) -> tuple[int, int] | None:
        described = self._cursor.execute("describe taken").fetchall()
        compared = [row[0] for row in described if row[0] not in ("line_no", *self._KEY)]
        return self._cursor.execute(
            f"""
            with repeated as (
                select {", ".join(self._KEY)}, min(line_no) as line_no
                from taken
                group by all
                having count(*) > 1
            )
            select f.line_no, t.line_no
            from repeated as r
            inner join taken as f using (line_no)
            inner join taken as t on {self._same_pair("r", "t")}
            where
                ({", ".join(f"f.{column}" for column in compared)})
                is distinct from ({", ".join(f"t.{column}" for column in compared)})
            order by t.line_no
            limit 1
            """
        ).fetchone()

    def remove_repeated(self) -> int:
        return self._cursor.execute(
            f"""
            delete from taken
            where line_no not in (
                select min(line_no) from taken group by {", ".join(self._KEY)}
            )
            """
        ).fetchone()[0]

    def count_overrides(self) -> tuple[int, int]:
        (overrides,) = self._cursor.execute(
            "select count(*) from taken where csv_override"
        ).fetchone()
        if not overrides or not self._has_table("fact", "fact_gene_pair_metrics"):
            return overrides, 0
        dim, fact = self._macros.schema_name("dim"), self._macros.schema_name("fact")
        (rows,) = self._cursor.execute(
            f"""
            select count(*)
            from taken as t
            inner join {dim}.dim_disease as d on t.disease_label = d.disease_label
            inner join {dim}.dim_gene_pair as p
                on t.gene_a_key = p.gene_a_key and t.gene_b_key = p.gene_b_key
            inner join {fact}.fact_gene_pair_metrics as f
                on
                    f.pair_key = p.pair_key and f.disease_key = d.disease_key
                    and f.technology = t.technology
            where t.csv_override
            """
        ).fetchone()
        return overrides, rows

    def stage(self) -> Staged:
        (new,) = self._cursor.execute(
            f"""
            select count(*)
            from taken as t
            where not exists (
                select 1
                from {self._table} as s
                where {self._same_pair("s", "t")} and s.batch_id = t.batch_id
            )
            """
        ).fetchone()
        if not new:
            return Staged(0, 0)
        # Rows of this file go too: a batch whose rows were all staged at one time is what tells
        # the build that the slice is another one now.
        (removed,) = self._cursor.execute(
            f"""
            delete from {self._table} as s
            where exists (select 1 from taken as t where {self._same_pair("s", "t")})
            """
        ).fetchone()
        (written,) = self._cursor.execute(
            f"insert into {self._table} by name from taken"
        ).fetchone()
        return Staged(new, removed - (written - new))

    def _same_pair(self, one: str, other: str) -> str:
        return " and ".join(f"{one}.{column} = {other}.{column}" for column in self._KEY)


class DuckDBFeatureLoad(FeatureLoad):
    """One transaction."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, macros: Any) -> None:
        self._cursor = cursor
        self._macros = macros

    def put_run(self, run: FeatureRun) -> None:
        table = f"{self._macros.schema_name('meta')}.meta_feature_run"
        self._cursor.execute(f"delete from {table} where feature_run_id = ?", [run.feature_run_id])
        _insert(self._cursor, table, dataclasses.asdict(run))

    def replace_rows(
        self,
        table: str,
        scope: Mapping[str, str | int],
        schema: pa.Schema,
        rows: Iterator[pa.RecordBatch],
    ) -> int:
        name = f"{self._macros.schema_name('staging')}.{table}"
        condition = " and ".join(f"{column} = ?" for column in scope)
        self._cursor.execute(f"delete from {name} where {condition}", list(scope.values()))
        with _source(schema, rows) as feature_rows:  # noqa: F841
            (written,) = self._cursor.execute(
                f"insert into {name} by name from feature_rows"
            ).fetchone()
        return written


@contextlib.contextmanager
def _source(schema: pa.Schema, rows: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatchReader]:
    """Rows for a statement to read. DuckDB turns an exception of its source into one of its own;
    here it comes out as it is."""
    failures: list[BaseException] = []

    def keep_failure() -> Iterator[pa.RecordBatch]:
        try:
            yield from rows
        except BaseException as error:
            failures.append(error)
            raise

    try:
        yield pa.RecordBatchReader.from_batches(schema, keep_failure())
    except duckdb.Error:
        if failures:
            raise failures[0] from None
        raise


def _is_locked(error: BaseException) -> bool:
    return isinstance(error, duckdb.IOException) and "Could not set lock on file" in str(error)


def _insert(cursor: duckdb.DuckDBPyConnection, table: str, row: dict[str, Any]) -> None:
    columns, values = ", ".join(row), ", ".join(f"${name}" for name in row)
    cursor.execute(f"insert into {table} ({columns}) values ({values})", row)


def file_path(credentials: DuckDBCredentials) -> Path:
    """The file of a target; a relative path is from the project's folder, as dbt takes it.

    Raises LoaderError 4006 for a path that is no file.
    """
    path = credentials.path
    if path == ":memory:" or path.startswith("md:"):
        raise LoaderError(
            "LOAD_TARGET_UNSUPPORTED", f"the path of the target is {path}", expected="a file"
        )
    return project_dir() / path


def _probe(path: str) -> duckdb.DuckDBPyConnection:
    if not Path(path).exists():
        raise LoaderError("LOAD_WAREHOUSE_NOT_BUILT", "there is no such file", file=path)
    try:
        return duckdb.connect(path, read_only=True)
    except duckdb.Error as error:
        name = "LOAD_WAREHOUSE_BUSY" if _is_locked(error) else "LOAD_CONNECTION_FAILED"
        raise LoaderError(name, str(error), file=path) from error


def _connect(path: str, tell_waiting: Callable[[str], None]) -> duckdb.DuckDBPyConnection:
    """Open the file, once no other process has it open."""

    def tell_once(state: tenacity.RetryCallState) -> None:
        if state.attempt_number == 1:
            tell_waiting(
                f"waiting for another process to close {path}, at most {_LOCK_TIMEOUT_S} s"
            )

    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception(_is_locked),
        wait=tenacity.wait_random_exponential(multiplier=0.1, max=2),
        stop=tenacity.stop_after_delay(_LOCK_TIMEOUT_S),
        before_sleep=tell_once,
        reraise=True,
    )
    try:
        return retrying(duckdb.connect, path)
    except duckdb.Error as error:
        action = "Close the program that holds the file" if _is_locked(error) else None
        raise LoaderError(
            "LOAD_CONNECTION_FAILED",
            f"the warehouse cannot be opened: {error}",
            file=path,
            action=action,
        ) from error
