"""DuckDB: one file, one process at a time, transactions by any number of threads."""

import contextlib
import datetime
from collections.abc import Iterator

import duckdb
import pyarrow as pa
import tenacity
from dbt.adapters.duckdb.credentials import DuckDBCredentials

from loader.errors import LoaderError
from loader.matrix import MatrixSummary
from loader.project import project_dir
from loader.warehouse.base import BatchKey, RegisteredBatch, StudyLoad, Warehouse
from loader.warehouse.macros import project_macros

_SETTINGS = {
    # Rows carry their line, so their order in the file says nothing.
    "preserve_insertion_order": "false",
    # A stream of rows needs no more; DuckDB alone would let finished blocks pile up.
    "memory_limit": "256MB",
}

# How long to wait for another process (a load, a dbt build) to close the file.
_LOCK_TIMEOUT_S = 600


class DuckDBWarehouse(Warehouse):
    """The file of a duckdb target.

    Raises LoaderError 4001 where the file cannot be opened, or stays locked by another process.
    """

    def __init__(self, credentials: DuckDBCredentials) -> None:
        self._macros = project_macros("duckdb")
        self._path = project_dir() / credentials.path
        self._connection = _connect(str(self._path))
        for setting, value in {**_SETTINGS, **(credentials.settings or {})}.items():
            self._connection.execute(f"set {setting} = '{value}'")
        self._connection.execute(self._macros.create_staging())

    def find_batch(self, batch_id: str) -> RegisteredBatch | None:
        row = (
            self._connection.cursor()
            .execute(
                f"""
                select b.status, b.config_snapshot, m.metadata_json
                from {self._staging}.batch as b
                inner join {self._staging}.study_metadata as m using (batch_id)
                where b.batch_id = ?
                """,
                [batch_id],
            )
            .fetchone()
        )
        return RegisteredBatch(*row) if row else None

    @contextlib.contextmanager
    def load_study(self) -> Iterator[StudyLoad]:
        cursor = self._connection.cursor()
        try:
            cursor.begin()
            try:
                yield DuckDBStudyLoad(cursor, self._macros)
            except BaseException:
                cursor.rollback()
                raise
            cursor.commit()
        except duckdb.Error as error:
            raise LoaderError("LOAD_WRITE_FAILED", str(error), file=str(self._path)) from error

    def close(self) -> None:
        self._connection.close()

    @property
    def _staging(self) -> str:
        return self._macros.schema_name("staging")


class DuckDBStudyLoad(StudyLoad):
    """One transaction."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, macros: object) -> None:
        self._cursor = cursor
        self._macros = macros
        self._staging = macros.schema_name("staging")

    def remove_rows(self, batch_id: str) -> None:
        self._cursor.execute(
            f"delete from {self._staging}.expression_rows where batch_id = ?", [batch_id]
        )

    def insert_rows(self, key: BatchKey, schema: pa.Schema, rows: Iterator[pa.RecordBatch]) -> int:
        failures: list[BaseException] = []

        def keep_failure() -> Iterator[pa.RecordBatch]:
            # DuckDB turns an exception of its source into one of its own.
            try:
                yield from rows
            except BaseException as error:
                failures.append(error)
                raise

        # The statement reads this variable by its name.
        melted_rows = pa.RecordBatchReader.from_batches(schema, keep_failure())  # noqa: F841
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
            insert or replace into {self._staging}.batch
            values (?, ?, ?, ?, ?, try_cast(? as timestamp), ?, ?, ?, ?, ?, ?, ?, ?, ?, 'STAGED', ?)
            """,
            [
                key.batch_id,
                key.study_accession,
                key.file.name,
                key.file.sha256,
                key.file.size,
                created_at,
                _utc_now(),
                summary.row_count,
                summary.gene_count,
                summary.sample_count,
                summary.null_count,
                summary.zero_count,
                summary.value_min,
                summary.value_max,
                summary.is_whole_numbers,
                config_snapshot,
            ],
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
    return isinstance(error, duckdb.IOException) and "lock" in str(error).lower()


@tenacity.retry(
    retry=tenacity.retry_if_exception(_is_locked),
    wait=tenacity.wait_random_exponential(multiplier=0.1, max=2),
    stop=tenacity.stop_after_delay(_LOCK_TIMEOUT_S),
    reraise=True,
)
def _connect_when_free(path: str) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(path)


def _connect(path: str) -> duckdb.DuckDBPyConnection:
    try:
        return _connect_when_free(path)
    except duckdb.Error as error:
        raise LoaderError(
            "LOAD_CONNECTION_FAILED",
            f"the warehouse cannot be opened: {error}",
            file=path,
            action="Close the program that holds the file, or check the profile's path",
        ) from error
