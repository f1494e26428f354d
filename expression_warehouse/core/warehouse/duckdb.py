"""DuckDB: one file, one process at a time, one transaction per thread."""

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import pyarrow as pa
import tenacity

from expression_warehouse.core import signals
from expression_warehouse.core.clock import utc_now
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.project import work_dir
from expression_warehouse.core.redact import redactor
from expression_warehouse.core.review_journal import journal_beside
from expression_warehouse.core.warehouse import run_locks, writer_lock
from expression_warehouse.core.warehouse.base import Parameters, Settings, Warehouse, no_rows
from expression_warehouse.core.warehouse.duckdb_target import DuckDBTarget
from expression_warehouse.core.warehouse.macros import project_macros
from expression_warehouse.core.warehouse.numbered_rows import VALUES, MatrixKeys, NumberedRows
from expression_warehouse.core.warehouse.pair_load import PairLoad, PairSource
from expression_warehouse.core.warehouse.session import SchemaNames, Session
from expression_warehouse.core.warehouse.staging_load import StagingLoad
from expression_warehouse.core.warehouse.study_load import BatchKey, StudyLoad

# Rows have their line number, so their order in the file does not matter.
_SETTINGS = {"preserve_insertion_order": "false"}

# Without a limit, DuckDB keeps finished blocks in memory. A stream of rows that is written gains no
# speed from more than this, but the joins of a query need more.
_LOAD_MEMORY = "192MB"

_HOLDER = re.compile(r"Conflicting lock is held in (.+?) \(PID (\d+)\)")

_Opened = TypeVar("_Opened")


class DuckDBWarehouse(Warehouse):
    """The file of a duckdb target.

    is_probe  open for reading, without waiting for another process and without creating tables

    Raises UserError 4001 if the file cannot be opened, 4006 for a path that is not a file, and 4010
    if another process keeps it. A probe raises 4008 if there is no file.
    """

    engine = "duckdb"

    def __init__(
        self,
        credentials: DuckDBTarget,
        tell_waiting: Callable[[str], None] = print,
        is_probe: bool = False,
    ) -> None:
        super().__init__(project_macros("duckdb"), redactor(credentials))
        self._turn = contextlib.ExitStack()
        self._path = str(file_path(credentials))
        self._limits_loads = "memory_limit" not in credentials.settings
        if is_probe:
            self._connection = _probe(self._path)
            self._apply(credentials.settings)
            return
        with contextlib.ExitStack() as turn:
            self._connection = turn.enter_context(writing(self._path, tell_waiting))
            self._apply({**_SETTINGS, **credentials.settings})
            with self._named_errors():
                self._connection.execute(self._macros.create_staging())
                self._connection.execute(self._macros.create_meta())
                self._keys = MatrixKeys(*self._highest_keys())
            self._turn = turn.pop_all()

    def _highest_keys(self) -> tuple[int, int]:
        """The highest keys of lines and of samples; 0 without any."""
        return self._connection.execute(
            f"""
            select
                (select coalesce(max(line_key), 0) from {self._staging}.matrix_line),
                (select coalesce(max(sample_key), 0) from {self._staging}.matrix_sample)
            """
        ).fetchone()

    def mark_alive(self, run_id: str) -> list[str]:
        path = Path(self._path)
        return run_locks.find_dead(path) if run_locks.hold(path, run_id) else []

    def _apply(self, settings: Mapping[str, Any]) -> None:
        with self._named_errors():
            for setting, value in settings.items():
                self._connection.execute(f"set {setting} = {literal(value)}")

    @property
    def review_journal(self) -> Path:
        return journal_beside(Path(self._path))

    @contextlib.contextmanager
    def load_study(self) -> Iterator[StudyLoad]:
        self._limit_memory()
        with self._transaction() as session:
            yield DuckDBStudyLoad(session, self._macros, self._keys)

    @contextlib.contextmanager
    def load_pairs(self) -> Iterator[PairLoad]:
        self._limit_memory()
        with self._transaction() as session:
            yield DuckDBPairLoad(session, self._macros, "taken")

    @contextlib.contextmanager
    def load_staging(self) -> Iterator[StagingLoad]:
        self._limit_memory()
        with self._transaction() as session:
            yield DuckDBStagingLoad(session, self._macros)
        # Commands that compute read again after a load.
        self._limit_memory(is_over=True)

    def _limit_memory(self, is_over: bool = False) -> None:
        """Set the limit for rows that are written, or end it. A limit of the profile stays."""
        if self._limits_loads:
            statement = "reset memory_limit" if is_over else f"set memory_limit = '{_LOAD_MEMORY}'"
            with self._named_errors():
                self._connection.cursor().execute(statement)

    @contextlib.contextmanager
    def stream(
        self, query: str, parameters: Parameters = None, settings: Settings = None
    ) -> Iterator[pa.RecordBatchReader]:
        with self._reading(query, settings) as (cursor, statement):
            # `execute` would neither stream the rows nor keep their order.
            rows = cursor.sql(statement, params=dict(parameters or {}))
            if rows is None:
                raise no_rows()
            yield rows.to_arrow_reader()

    def read_rows(
        self, query: str, parameters: Parameters = None, settings: Settings = None
    ) -> list[dict[str, Any]]:
        # `sql` plans a statement twice, which costs as much as to find a few rows.
        with self._reading(query, settings) as (cursor, statement):
            found = cursor.execute(statement, dict(parameters or {}))
            names = [column[0] for column in found.description]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    @contextlib.contextmanager
    def _reading(
        self, query: str, settings: Settings
    ) -> Iterator[tuple[duckdb.DuckDBPyConnection, str]]:
        """A cursor with these session settings, and the query with the names of the schemas."""
        # Each cursor is a separate session, without the settings of others.
        cursor = self._connection.cursor()
        with self._named_errors("LOAD_READ_FAILED"):
            try:
                for name, value in (settings or {}).items():
                    cursor.execute(f"set variable {name} = ?", [value])
                yield cursor, query.format_map(SchemaNames(self._macros))
            except duckdb.CatalogException as error:
                raise UserError(
                    "LOAD_WAREHOUSE_NOT_BUILT", str(error).splitlines()[0], file=self._path
                ) from error

    @contextlib.contextmanager
    def _transaction(self) -> Iterator["DuckDBSession"]:
        with self._named_errors():
            cursor = self._connection.cursor()
            cursor.begin()
            try:
                yield DuckDBSession(cursor)
            except BaseException:
                cursor.rollback()
                raise
            cursor.commit()

    @contextlib.contextmanager
    def _named_errors(self, name: str = "LOAD_WRITE_FAILED") -> Iterator[None]:
        try:
            yield
        except duckdb.Error as error:
            # DuckDB turns an interrupt into a duckdb.Error.
            signals.check()
            raise engine_error(error, name, self._path, self._redacted(str(error))) from error

    def close(self) -> None:
        self._connection.close()
        self._turn.close()


class DuckDBSession(Session):
    """A cursor, which in DuckDB is a separate connection."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self.cursor = cursor

    def execute(self, statement: str, values: Sequence[Any] = ()) -> duckdb.DuckDBPyConnection:
        return self.cursor.execute(statement, values)

    def change(self, statement: str, values: Sequence[Any] = ()) -> int:
        return self.cursor.execute(statement, values).fetchone()[0]

    def wait_for(self, lock: str) -> None:
        """DuckDB allows one process at a time, which needs no locks."""


class DuckDBStudyLoad(StudyLoad):
    """One transaction."""

    _session: DuckDBSession

    def __init__(self, session: DuckDBSession, macros: Any, keys: MatrixKeys) -> None:
        super().__init__(session, macros)
        self._keys = keys

    def insert_rows(self, key: BatchKey, rows: Iterator[pa.RecordBatch]) -> int:
        numbered = NumberedRows(self._keys)
        # The statements read these variables by their names.
        with _source(VALUES, numbered.values(rows)) as matrix_values:  # noqa: F841
            written = self._session.cursor.execute(
                f"insert into {self._staging}.matrix_value by name from matrix_values"
            ).fetchone()
        lines, samples = numbered.lines(), numbered.samples()  # noqa: F841
        for table, source in (("matrix_line", "lines"), ("matrix_sample", "samples")):
            self._session.cursor.execute(
                f"insert into {self._staging}.{table} by name"
                f" select *, ? as batch_id from {source}",
                [key.batch_id],
            )
        return written[0]

    def _insert_symbol_hints(self, batch_id: str, hints: pa.Table) -> None:
        # The statement reads `hints` by its name.
        self._session.cursor.execute(
            f"insert into {self._staging}.symbol_hint"
            " select ? as batch_id, line_no, gene_symbol from hints",
            [batch_id],
        )


class DuckDBPairLoad(PairLoad):
    """One transaction; the rows taken in are a temporary table until they are staged."""

    _session: DuckDBSession

    def take(self, schema: pa.Schema, rows: Iterator[pa.RecordBatch], file: PairSource) -> int:
        self._session.cursor.execute(
            f"create temp table {self._taken} as from {self._table} limit 0"
        )
        with _source(schema, rows) as pair_rows:  # noqa: F841
            taken = self._session.cursor.execute(
                f"""
                insert into {self._taken} by name
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


class DuckDBStagingLoad(StagingLoad):
    """One transaction."""

    _session: DuckDBSession

    def _replace(
        self,
        table: str,
        remove: Callable[[], None],
        schema: pa.Schema,
        rows: Iterator[pa.RecordBatch],
    ) -> int:
        remove()
        # The statement reads this variable by its name.
        with _source(schema, rows) as feature_rows:  # noqa: F841
            written = self._session.cursor.execute(
                f"insert into {table} by name from feature_rows"
            ).fetchone()
        return written[0]


@contextlib.contextmanager
def _source(schema: pa.Schema, rows: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatchReader]:
    """Rows for a statement to read. DuckDB turns an exception of its source into a duckdb.Error;
    this raises the original one."""
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


# Messages that mean the file itself is damaged, not that a statement failed.
_DAMAGED = re.compile(
    r"Corrupt (database|WAL) file|WAL does not match|while replaying WAL"
    r"|not a valid DuckDB database|Could not read (all|enough) bytes|Failed to deserialize"
)


def engine_error(
    error: duckdb.Error, name: str, path: str | None = None, message: str | None = None
) -> UserError:
    """The error of the catalog for one of DuckDB: 4010 if another process has the file open, 4014
    if the file is damaged, 4015 if memory is short, 4016 if the macros say so, else `name`.

    message  what DuckDB says, if it has to be said without secrets
    """
    if _is_locked(error):
        name = "LOAD_WAREHOUSE_BUSY"
    elif _DAMAGED.search(str(error)):
        name = "LOAD_WAREHOUSE_DAMAGED"
    elif isinstance(error, duckdb.OutOfMemoryException):
        name = "MEMORY_EXHAUSTED"
    elif (outdated := "LOAD_WAREHOUSE_OUTDATED") in str(error):
        # Raised by the macro create_expression_rows, whose message tells users of dbt what to do.
        name, message = outdated, "an earlier version of the project made the warehouse"
    return UserError(name, message or str(error), file=path)


def _is_locked(error: BaseException) -> bool:
    return isinstance(error, duckdb.IOException) and "Could not set lock on file" in str(error)


def file_path(credentials: DuckDBTarget) -> Path:
    """The file of a target; a relative path is from work_dir(), as dbt takes it.

    Raises UserError 4006 for a path that is no file.
    """
    path = credentials.path
    if path == ":memory:" or path.startswith("md:"):
        raise UserError(
            "LOAD_TARGET_UNSUPPORTED", f"the path of the target is {path}", expected="a file"
        )
    return work_dir() / path


def literal(value: object) -> str:
    """A text as SQL, for statements that take no parameter: attach, set."""
    quoted = str(value).replace("'", "''")
    return f"'{quoted}'"


def require_file(path: Path) -> None:
    """Raises UserError 4008 if there is no such file."""
    if not path.exists():
        raise UserError("LOAD_WAREHOUSE_NOT_BUILT", "there is no such file", file=str(path))


def _probe(path: str) -> duckdb.DuckDBPyConnection:
    require_file(Path(path))
    try:
        return duckdb.connect(path, read_only=True)
    except duckdb.Error as error:
        raise _opening_failed(Path(path), error) from error


@contextlib.contextmanager
def writing(path: str, tell_waiting: Callable[[str], None]) -> Iterator[duckdb.DuckDBPyConnection]:
    """The file, open for writing, once that is this command's turn.

    Raises UserError 4001 if it cannot be opened, 4010 if another process keeps it, 4014 if it is
    damaged.
    """
    with writer_lock.held(Path(path), tell_waiting):
        opened = open_when_free(Path(path), lambda: duckdb.connect(path), tell_waiting)
        with contextlib.closing(opened) as connection:
            yield connection


@contextlib.contextmanager
def reading(path: str, tell_waiting: Callable[[str], None]) -> Iterator[duckdb.DuckDBPyConnection]:
    """The file, open for reading, once no process writes it. Raises as `writing`."""
    opened = open_when_free(Path(path), lambda: duckdb.connect(path, read_only=True), tell_waiting)
    with contextlib.closing(opened) as connection:
        yield connection


def open_when_free(
    path: Path, connect: Callable[[], _Opened], tell_waiting: Callable[[str], None]
) -> _Opened:
    """What `connect` returns, once no program without the writers' lock, as a reader or DuckDB's
    shell, has the file open.

    Raises UserError 4001 if it cannot be opened, 4010 if another process keeps it, 4014 if it is
    damaged.
    """
    wait_s = writer_lock.wait_seconds()

    def tell_once(state: tenacity.RetryCallState) -> None:
        if state.attempt_number == 1 and state.outcome:
            holder = _find_holder(path, state.outcome.exception())
            tell_waiting(f"waiting for {holder} to close {path}, at most {wait_s:.0f} s")

    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception(_is_locked),
        wait=tenacity.wait_random_exponential(multiplier=0.1, max=2),
        stop=tenacity.stop_after_delay(wait_s),
        before_sleep=tell_once,
        sleep=signals.sleep,
        reraise=True,
    )
    try:
        return retrying(connect)
    except duckdb.Error as error:
        raise _opening_failed(path, error) from error


def _opening_failed(path: Path, error: duckdb.Error) -> UserError:
    if _is_locked(error):
        return UserError(
            "LOAD_WAREHOUSE_BUSY", f"{_find_holder(path, error)} has it open", file=str(path)
        )
    found = f"the warehouse cannot be opened: {error}"
    return engine_error(error, "LOAD_CONNECTION_FAILED", str(path), found)


def _find_holder(path: Path, error: BaseException | None) -> str:
    """Who has the file open, in words."""
    if writer := writer_lock.find_writer(path):
        return writer
    held = _HOLDER.search(str(error))
    return f"'{held[1]}' (process {held[2]})" if held else "another program"
