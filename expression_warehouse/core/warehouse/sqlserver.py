"""SQL Server: any number of processes at a time.

Rows of a load go to a heap of their own first, as fast as the driver writes them; it is in schema
loading, the only one in which the role etl_loader can make tables. They are published with the
register's row in one transaction. What a load that is killed leaves behind is a heap that nobody
reads, which the next command of the loader removes: a load holds a lock of its heap's name for as
long as it lives.
"""

import contextlib
import json
import re
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from dbt.adapters.sqlserver.sqlserver_credentials import SQLServerCredentials

from expression_warehouse.core import signals
from expression_warehouse.core.clock import utc_now
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.listed import counted
from expression_warehouse.core.project import work_dir
from expression_warehouse.core.redact import redactor
from expression_warehouse.core.review_journal import journal_beside
from expression_warehouse.core.warehouse.base import Parameters, Settings, Warehouse, no_rows
from expression_warehouse.core.warehouse.macros import project_macros
from expression_warehouse.core.warehouse.matrix_rows import ROWS
from expression_warehouse.core.warehouse.pair_load import PairLoad, PairSource
from expression_warehouse.core.warehouse.session import SchemaNames, Session
from expression_warehouse.core.warehouse.sqlserver_driver import Driver, open_driver
from expression_warehouse.core.warehouse.staging_load import StagingLoad
from expression_warehouse.core.warehouse.study_load import BatchKey, StudyLoad

# "Invalid object name" and "Database … does not exist".
_NO_SUCH_OBJECT = ("(208)", "Invalid object name", "Base table or view not found")

_PARAMETER = re.compile(r"\$([a-z_][a-z_0-9]*)")

# Name of a load's heap: that of its staging table, and half of the batch's id or a number.
_HEAP = re.compile("[a-z_]+_[0-9a-f]{32}")


def positional(query: str, parameters: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """A query with ? in place of each $name, and the values in that order.

    positional('a = $x and b = $x', {'x': 1})  ->  'a = ? and b = ?', [1, 1]
    """
    names = [name for name in _PARAMETER.findall(query) if name in parameters]
    marked = _PARAMETER.sub(lambda found: "?" if found[1] in parameters else found[0], query)
    return marked, [parameters[name] for name in names]


def _loading(macros: Any) -> str:
    return macros.schema_name("loading")


def _heap_name(macros: Any, name: str) -> str:
    return f"{_loading(macros)}.{name}"


class SqlServerWarehouse(Warehouse):
    """The database of a sqlserver target. Each load and each record has a connection of its own.

    is_probe  for reading only, as it is: without making what is absent

    Raises UserError 4001 if the server cannot be reached or refuses the login.
    """

    engine = "sqlserver"

    def __init__(self, credentials: SQLServerCredentials, is_probe: bool = False) -> None:
        super().__init__(project_macros("sqlserver"), redactor(credentials))
        self._place = f"{credentials.host}/{credentials.database}"
        self._database = str(credentials.database)
        self._driver = open_driver(credentials)
        with self._connection() as connection:
            if not is_probe:
                self._make_tables(connection)
        if not is_probe:
            self._remove_heaps_of_killed_loads()

    def _make_tables(self, connection: Any) -> None:
        with self._named_errors():
            cursor = connection.cursor()
            # Two loads that begin at the same time would both make them.
            for statements in (
                self._macros.lock_until_commit("tables"),
                self._macros.create_schema_if_absent(_loading(self._macros)),
                self._macros.create_staging(),
                self._macros.create_meta(),
            ):
                cursor.execute(statements)
                # An error of a later statement shows when its result is asked for.
                while cursor.nextset():
                    pass
            connection.commit()

    def _remove_heaps_of_killed_loads(self) -> None:
        # A heap that stays does no harm, and the next load tries again to remove it.
        with contextlib.suppress(UserError):
            for name in self._heaps():
                with self._transaction() as session:
                    if session.is_granted(self._macros.try_lock_until_commit(f"heap {name}")):
                        session.execute(f"drop table if exists {name}")

    def _heaps(self) -> list[str]:
        # Without locks: a build holds some on the names of what it makes.
        query = (
            "select t.name from sys.tables as t with (nolock) inner join sys.schemas as s"
            " with (nolock) on t.schema_id = s.schema_id where s.name = ?"
        )
        with self._transaction() as session:
            tables = [name for (name,) in session.rows(query, [_loading(self._macros)])]
        return [_heap_name(self._macros, name) for name in tables if _HEAP.fullmatch(name)]

    @property
    def review_journal(self) -> Path:
        return journal_beside(work_dir() / self._database)

    def backup(self, file: str) -> None:
        """Let the server back its database up into a file of its own and verify it.

        Raises UserError 54700 if the server refuses.
        """
        with self._connection() as connection, self._named_errors("BACKUP_FAILED"):
            # A server backs nothing up within a transaction.
            connection.autocommit = True
            cursor = connection.cursor()
            cursor.execute(self._macros.backup_database("?"), [file])
            # An error shows when the result of its statement is asked for.
            while cursor.nextset():
                pass

    @contextlib.contextmanager
    def load_study(self) -> Iterator[StudyLoad]:
        with self._new_heap() as heap, self._transaction() as session:
            load = SqlServerStudyLoad(session, self._macros, heap)
            yield load
            load.publish()

    @contextlib.contextmanager
    def load_pairs(self) -> Iterator[PairLoad]:
        with self._new_heap() as heap, self._transaction() as session:
            yield SqlServerPairLoad(session, self._macros, heap)

    @contextlib.contextmanager
    def load_staging(self) -> Iterator[StagingLoad]:
        # Heaps go when the transaction that has read them is done.
        with contextlib.ExitStack() as heaps, self._transaction() as session:
            yield SqlServerStagingLoad(
                session, self._macros, lambda: heaps.enter_context(self._new_heap())
            )

    def _new_heap(self) -> "_Heap":
        return _Heap(self._macros, self._transaction, self._driver)

    @contextlib.contextmanager
    def stream(
        self, query: str, parameters: Parameters = None, settings: Settings = None
    ) -> Iterator[pa.RecordBatchReader]:
        with self._transaction("LOAD_READ_FAILED", only_reads=True) as session:
            for name, value in (settings or {}).items():
                session.execute("exec sp_set_session_context ?, ?", [name, value])
            try:
                statement, values = positional(query, parameters or {})
                cursor = session.execute(statement.format_map(SchemaNames(self._macros)), values)
            except self._driver.errors as error:
                if not any(text in str(error) for text in _NO_SUCH_OBJECT):
                    raise
                raise UserError(
                    "LOAD_WAREHOUSE_NOT_BUILT", self._redacted(str(error)), file=self._place
                ) from error
            if cursor.description is None:
                raise no_rows()
            yield self._driver.batches(cursor)

    @contextlib.contextmanager
    def _connection(self) -> Iterator[Any]:
        try:
            connection = self._driver.connect()
        except self._driver.errors as error:
            signals.check()
            raise UserError(
                "LOAD_CONNECTION_FAILED", self._redacted(str(error)), file=self._place
            ) from error
        with contextlib.closing(connection):
            yield connection

    @contextlib.contextmanager
    def _transaction(
        self, error_name: str = "LOAD_WRITE_FAILED", only_reads: bool = False
    ) -> Iterator["SqlServerSession"]:
        with self._connection() as connection, self._named_errors(error_name):
            try:
                yield SqlServerSession(connection.cursor())
            except BaseException:
                # The engine has rolled back already where it broke the transaction off.
                with contextlib.suppress(*self._driver.errors):
                    connection.rollback()
                raise
            # What a query of a user changes is undone.
            connection.rollback() if only_reads else connection.commit()

    @contextlib.contextmanager
    def _named_errors(self, name: str = "LOAD_WRITE_FAILED") -> Iterator[None]:
        try:
            yield
        except self._driver.errors as error:
            signals.check()
            raise UserError(name, self._redacted(str(error)), file=self._place) from error

    def close(self) -> None:
        """Nothing is open between its methods."""


class SqlServerSession(Session):
    """A cursor of a connection of its own."""

    def __init__(self, cursor: Any) -> None:
        self.cursor = cursor

    def execute(self, statement: str, values: Sequence[Any] = ()) -> Any:
        # Without values, the drivers send a statement as it is: `?` stands for itself.
        return self.cursor.execute(statement, *values)

    def change(self, statement: str, values: Sequence[Any] = ()) -> int:
        return self.execute(statement, values).rowcount

    def is_granted(self, lock: str) -> bool:
        """Ask for a lock without waiting."""
        cursor = self.execute(lock)
        # The procedure's messages come first.
        while cursor.description is None and cursor.nextset():
            pass
        return cursor.fetchone()[0] >= 0

    def wait_for(self, lock: str) -> None:
        cursor = self.execute(lock)
        # An error behind the procedure's messages shows when more results are asked for.
        while cursor.nextset():
            pass


class _Heap:
    """A table without an index that only one load knows of. Leaving it removes it.

    name  the table, once it is made
    """

    def __init__(self, macros: Any, transaction: Any, driver: Driver) -> None:
        self._macros = macros
        self._transaction = transaction
        self._driver = driver
        self.name = ""

    def __enter__(self) -> "_Heap":
        return self

    def __exit__(self, *_: object) -> None:
        if self.name:
            # A heap that stays hides nothing: the load is done, or has its own error to tell.
            with contextlib.suppress(UserError), self._transaction() as session:
                session.execute(f"drop table if exists {self.name}")

    def make(self, owner: SqlServerSession, name: str, like: str, columns: Sequence[str]) -> None:
        """Make it, with columns as table `like` has them, in place of one of a broken load.

        owner  the load's session, which takes and keeps its lock
        """
        owner.wait_for(self._macros.lock_until_commit(f"heap {name}"))
        with self._transaction() as session:
            session.execute(f"drop table if exists {name}")
            session.execute(f"select {', '.join(columns)} into {name} from {like} where 1 = 0")
        self.name = name

    def fill(self, schema: pa.Schema, rows: Iterator[pa.RecordBatch]) -> int:
        """Write rows; return how many there are.

        Raises UserError 4005 if that is not what the driver says it wrote.
        """
        copied = self._driver.copy(self.name, schema, rows)
        with self._transaction() as session:
            (count,) = session.row(f"select count_big(*) as row_count from {self.name}")
        if copied != count:
            raise UserError(
                "LOAD_RECONCILIATION_FAILED",
                f"the driver wrote {counted(copied, 'row')}, and the server has {count:,}",
            )
        return count


class SqlServerStudyLoad(StudyLoad):
    """One transaction. What takes locks that others would wait for is at its end, in `publish`."""

    _session: SqlServerSession

    def __init__(self, session: SqlServerSession, macros: Any, heap: _Heap) -> None:
        super().__init__(session, macros)
        self._heap = heap
        self._key: BatchKey | None = None
        self._removed: list[str] = []
        self._count = 0

    def remove_rows(self, batch_id: str) -> None:
        self._removed.append(batch_id)

    def insert_rows(self, key: BatchKey, rows: Iterator[pa.RecordBatch]) -> int:
        self._take_turn(key.study_accession)
        name = _heap_name(self._macros, f"expression_rows_{key.batch_id[:32]}")
        self._heap.make(self._session, name, f"{self._staging}.expression_rows", ROWS.names)
        self._key = key
        self._count = self._heap.fill(ROWS, rows)
        return self._count

    def _insert_symbol_hints(self, batch_id: str, hints: pa.Table) -> None:
        lines, symbols = (column.to_pylist() for column in hints.columns)
        self._session.change(
            f"""
            insert into {self._staging}.symbol_hint (batch_id, line_no, gene_symbol)
            select cast(? as {self._macros.type_code(64)}), j.line_no, j.gene_symbol
            from openjson(?) with (
                line_no bigint '$[0]',
                gene_symbol {self._macros.type_code(50)} '$[1]'
            ) as j
            """,
            [batch_id, json.dumps(list(zip(lines, symbols, strict=True)))],
        )

    def _take_turn(self, study: str) -> None:
        if not self._session.is_granted(self._macros.try_lock_until_commit(f"load {study}")):
            raise UserError(
                "LOAD_WRITE_FAILED",
                f"another process is loading {study}",
                action="Run the load again when it is done",
            )

    def publish(self) -> None:
        """Give the rows taken in to the readers of staging.

        Raises UserError 4005 if some are missing.
        """
        for batch_id in self._removed:
            super().remove_rows(batch_id)
        if self._key is None:
            return
        published = self._session.change(
            f"""
            insert into {self._staging}.expression_rows with (tablock)
            (
                study_accession_code, batch_id, gene_id, sample_accession_code,
                expression_value, line_no, file_name, file_hash
            )
            select
                cast(? as {self._macros.type_code(50)}),
                cast(? as {self._macros.type_code(64)}),
                gene_id,
                sample_accession_code,
                expression_value,
                line_no,
                cast(? as {self._macros.type_text(260)}),
                cast(? as {self._macros.type_code(64)})
            from {self._heap.name}
            """,
            [
                self._key.study_accession,
                self._key.batch_id,
                self._key.file.name,
                self._key.file.sha256,
            ],
        )
        if published != self._count:
            raise UserError(
                "LOAD_RECONCILIATION_FAILED",
                f"written {counted(self._count, 'row')}, published {published:,}",
                file=self._key.file.name,
            )


class SqlServerPairLoad(PairLoad):
    """One transaction; the rows taken in are a heap until they are staged."""

    _session: SqlServerSession

    def __init__(self, session: SqlServerSession, macros: Any, heap: _Heap) -> None:
        super().__init__(session, macros, _heap_name(macros, f"pair_metrics_{uuid.uuid4().hex}"))
        self._heap = heap

    def take(self, schema: pa.Schema, rows: Iterator[pa.RecordBatch], file: PairSource) -> int:
        constants = {
            "file_name": pa.scalar(file.name),
            "file_hash": pa.scalar(file.sha256),
            "staged_at": pa.scalar(utc_now(), pa.timestamp("us")),
        }
        for name, value in constants.items():
            schema = schema.append(pa.field(name, value.type))

        def completed() -> Iterator[pa.RecordBatch]:
            for batch in rows:
                added = [pa.repeat(value, batch.num_rows) for value in constants.values()]
                yield pa.record_batch([*batch.columns, *added], schema=schema)

        self._heap.make(self._session, self._taken, self._table, ["*"])
        return self._heap.fill(schema, completed())


class SqlServerStagingLoad(StagingLoad):
    """One transaction; rows are a heap of their own until they are in their table."""

    _session: SqlServerSession

    def __init__(
        self, session: SqlServerSession, macros: Any, new_heap: Callable[[], _Heap]
    ) -> None:
        super().__init__(session, macros)
        self._new_heap = new_heap

    def _replace(
        self,
        table: str,
        remove: Callable[[], None],
        schema: pa.Schema,
        rows: Iterator[pa.RecordBatch],
    ) -> int:
        columns = ", ".join(schema.names)
        heap = self._new_heap()
        name = _heap_name(self._macros, f"{table.split('.')[-1]}_{uuid.uuid4().hex}")
        heap.make(self._session, name, table, schema.names)
        heap.fill(schema, rows)
        # Only now, since others wait for the rows that are removed.
        remove()
        return self._session.change(
            f"insert into {table} with (tablock) ({columns}) select {columns} from {heap.name}"
        )
