"""DuckDB: one file, one process at a time, transactions by any number of threads."""

import contextlib
import datetime
from collections.abc import Callable, Iterator
from typing import Any

import duckdb
import pyarrow as pa
import tenacity
from dbt.adapters.duckdb.credentials import DuckDBCredentials

from loader.errors import LoaderError
from loader.matrix import ROWS, MatrixSummary
from loader.warehouse.base import BatchKey, RegisteredBatch, StudyLoad, Warehouse
from loader.warehouse.macros import project_macros

_SETTINGS = {
    # Rows carry their line, so their order in the file says nothing.
    "preserve_insertion_order": "false",
    # Left alone, DuckDB lets finished blocks pile up. A stream of rows needs no more than this:
    # more is no quicker, and from 128MB down it takes longer.
    "memory_limit": "160MB",
}

# How long to wait for another process (a load, a dbt build) to close the file.
_LOCK_TIMEOUT_S = 300


class DuckDBWarehouse(Warehouse):
    """The file of a duckdb target.

    Raises LoaderError 4001 where the file cannot be opened, or stays locked by another process,
    and 4006 for a path that is no file.
    """

    def __init__(
        self, credentials: DuckDBCredentials, tell_waiting: Callable[[str], None] = print
    ) -> None:
        self._path = credentials.path
        if self._path == ":memory:" or self._path.startswith("md:"):
            raise LoaderError(
                "LOAD_TARGET_UNSUPPORTED",
                f"the path of the target is {self._path}",
                expected="a file",
            )
        self._macros = project_macros("duckdb")
        self._connection = _connect(self._path, tell_waiting)
        with self._named_errors():
            for setting, value in {**_SETTINGS, **(credentials.settings or {})}.items():
                self._connection.execute(f"set {setting} = '{value}'")
            self._connection.execute(self._macros.create_staging())

    def find_batch(self, batch_id: str) -> RegisteredBatch | None:
        query = f"""
            select b.status, b.config_snapshot, m.metadata_json
            from {self._staging}.batch as b
            inner join {self._staging}.study_metadata as m using (batch_id)
            where b.batch_id = ?
        """
        with self._named_errors():
            row = self._connection.cursor().execute(query, [batch_id]).fetchone()
        return RegisteredBatch(*row) if row else None

    @contextlib.contextmanager
    def load_study(self) -> Iterator[StudyLoad]:
        with self._named_errors():
            cursor = self._connection.cursor()
            cursor.begin()
            try:
                yield DuckDBStudyLoad(cursor, self._macros)
            except BaseException:
                cursor.rollback()
                raise
            cursor.commit()

    @contextlib.contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except duckdb.Error as error:
            raise LoaderError("LOAD_WRITE_FAILED", str(error), file=self._path) from error

    def close(self) -> None:
        self._connection.close()

    @property
    def _staging(self) -> str:
        return self._macros.schema_name("staging")


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
        failures: list[BaseException] = []

        def keep_failure() -> Iterator[pa.RecordBatch]:
            # DuckDB turns an exception of its source into one of its own.
            try:
                yield from rows
            except BaseException as error:
                failures.append(error)
                raise

        # The statement reads this variable by its name.
        melted_rows = pa.RecordBatchReader.from_batches(ROWS, keep_failure())  # noqa: F841
        try:
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
        except duckdb.Error:
            if failures:
                raise failures[0] from None
            raise
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
                config_snapshot = excluded.config_snapshot
            """,
            {
                "batch_id": key.batch_id,
                "study": key.study_accession,
                "file_name": key.file.name,
                "file_hash": key.file.sha256,
                "file_size": key.file.size,
                "created_at": created_at,
                "staged_at": _utc_now(),
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

    def restage(self, batch_id: str, config_snapshot: str) -> MatrixSummary:
        row = self._cursor.execute(
            f"""
            update {self._staging}.batch
            set status = 'STAGED', staged_at = ?, config_snapshot = ?
            where batch_id = ?
            returning
                sample_count, gene_count, null_count, zero_count, value_min, value_max,
                is_whole_numbers
            """,
            [_utc_now(), config_snapshot, batch_id],
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


def _utc_now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC).replace(tzinfo=None)


def _is_locked(error: BaseException) -> bool:
    return isinstance(error, duckdb.IOException) and "Could not set lock on file" in str(error)


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
