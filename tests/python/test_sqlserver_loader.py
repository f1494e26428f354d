"""How the loader writes to SQL Server, at the boundary of its two drivers.

No server is asked here. What stands in for the drivers takes exactly the arguments that the real ones
take (their signatures are read), reads the stream as the real one does, from several threads, and
keeps what it was given. By hand, both drivers ran against an engine that speaks TDS: CONTRIBUTING.md
has the figures. The whole suite runs against a server with `make test-sqlserver`.
"""

import ast
import importlib.util
import re
import sys
import threading
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pytest
from dbt.adapters.sqlserver.sqlserver_credentials import SQLServerCredentials

from expression_warehouse.core.errors import UserError
from expression_warehouse.core.warehouse.macros import project_macros
from expression_warehouse.core.warehouse.matrix_rows import ROWS
from expression_warehouse.core.warehouse.sqlserver import SqlServerWarehouse, _Heap
from expression_warehouse.core.warehouse.sqlserver_driver import (
    Driver,
    MssqlPythonDriver,
    PyodbcDriver,
    open_driver,
    wheel_driver,
)
from expression_warehouse.pairs import screened_pairs
from expression_warehouse.pairs.calibration import calibrate
from expression_warehouse.pairs.ranking import rank
from loader.pair_file.metrics import metrics
from loader.pair_file.reader import PairFile


def has_library() -> bool:
    """Whether the system has what Microsoft's driver needs."""
    try:
        import mssql_python  # noqa: F401
        import pyodbc  # noqa: F401
    except ImportError:
        return False
    return True


with_the_real_driver = pytest.mark.skipif(
    not has_library(), reason="the system lacks libltdl7 or unixodbc"
)


def parameters_of_bulkcopy_arrow() -> list[str]:
    """Its parameters in the installed mssql-python, read from the source: not every system can import it."""
    source = Path(importlib.util.find_spec("mssql_python").origin).with_name("cursor.py")
    (function,) = (
        node
        for node in ast.walk(ast.parse(source.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name == "bulkcopy_arrow"
    )
    return [argument.arg for argument in function.args.args if argument.arg != "self"]


BULKCOPY = parameters_of_bulkcopy_arrow()
MACROS = project_macros("sqlserver")
SERVER_DRIVER = "ODBC Driver 18 for SQL Server"


def credentials(backend: str = "mssql-python", **settings: object) -> SQLServerCredentials:
    return SQLServerCredentials(
        **{
            "backend": backend, "driver": SERVER_DRIVER, "host": "db.example.org",
            "database": "warehouse", "schema": "staging", "UID": "etl_loader", "PWD": "pa;55", "retries": 1,
            **settings,
        }
    )  # fmt: skip


def batches(count: int, rows: int = 40) -> list[pa.RecordBatch]:
    """Batches as the melt gives them: texts as dictionaries, every seventh value missing."""
    names = pa.array(["GSM1", "GSM2"])
    return [
        pa.record_batch(
            [
                pa.DictionaryArray.from_arrays(
                    pa.array(range(rows), pa.int32()),
                    pa.array([f"ENSG{number * rows + i}" for i in range(rows)]),
                ),
                pa.DictionaryArray.from_arrays(pa.array([i % 2 for i in range(rows)], pa.int32()), names),
                pa.array([None if i % 7 == 0 else i + 0.5 for i in range(rows)]),
                pa.array([number * rows + i for i in range(rows)], pa.int64()),
            ],
            schema=ROWS,
        )
        for number in range(count)
    ]  # fmt: skip


class FakeMssqlPython:
    """Stands in for mssql_python: reads what is bulk-loaded, and keeps it with the arguments."""

    class Error(Exception):
        pass

    class DatabaseError(Error):
        def __init__(self, driver_error: str, ddbc_error: str) -> None:
            super().__init__(driver_error, ddbc_error)

    def __init__(self, fails_at: int | None = None, loses: int = 0) -> None:
        self.fails_at = fails_at
        self.loses = loses
        self.strings: list[str] = []
        self.calls: list[dict] = []
        self.schemas: list[pa.Schema] = []
        self.rows: list[tuple] = []
        self.threads: set[int] = set()
        self.closed = 0
        self.lock = threading.Lock()

    def connect(self, string: str, **options: object) -> SimpleNamespace:
        assert options.keys() == {"autocommit", "timeout"}
        self.strings.append(string)
        return SimpleNamespace(
            cursor=lambda: SimpleNamespace(bulkcopy_arrow=self._bulkcopy_arrow), close=self._close
        )

    def _close(self) -> None:
        self.closed += 1

    def _bulkcopy_arrow(self, *arguments: object, **options: object) -> dict[str, int]:
        assert options.keys() <= set(BULKCOPY)
        bound = dict(zip(BULKCOPY, arguments, strict=False)) | options
        reader = pa.RecordBatchReader.from_stream(bound["source"])
        with self.lock:
            self.calls.append(bound)
            self.schemas.append(reader.schema)
            self.threads.add(threading.get_ident())
        copied = 0
        for batch in reader:
            copied += batch.num_rows
            with self.lock:
                self.rows += zip(*(column.to_pylist() for column in batch.columns), strict=True)
                if self.fails_at is not None and len(self.rows) >= self.fails_at:
                    raise RuntimeError("TDS error: (1205) was deadlocked")
        return {"rows_copied": copied - self.loses, "batch_count": 1, "elapsed_time": 0.1}


def mssql_python_driver(fake: FakeMssqlPython) -> MssqlPythonDriver:
    exceptions = SimpleNamespace(ConnectionStringParseError=ValueError)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "mssql_python", fake)
        patch.setitem(sys.modules, "mssql_python.exceptions", exceptions)
        return MssqlPythonDriver(credentials())


def test_bulk_load_is_asked_for_as_the_contract_says():
    fake = FakeMssqlPython()
    mssql_python_driver(fake).copy("staging.heap", ROWS, iter(batches(9)))
    assert fake.calls
    for call in fake.calls:
        assert call["table_name"] == "staging.heap"
        assert call["timeout"] == 0
        assert call["table_lock"] is True
        assert call["keep_nulls"] is True
        assert call["column_mappings"] == ROWS.names
    (string,) = fake.strings
    assert "PacketSize=32767" in string.split(";")
    assert "encrypt=Yes" in string.split(";")
    assert "TrustServerCertificate=No" in string.split(";")
    assert "PWD={pa;55}" in string
    assert fake.closed == 1


def test_every_row_travels_once_with_its_types_and_nulls():
    """Over several streams, none of which gets a dictionary."""
    sent = batches(50)
    fake = FakeMssqlPython()
    copied = mssql_python_driver(fake).copy("staging.heap", ROWS, iter(sent))
    rows = [
        row for batch in sent for row in zip(*(c.to_pylist() for c in batch.columns), strict=True)
    ]
    assert Counter(fake.rows) == Counter(rows)
    assert copied == len(rows)
    assert any(row[2] is None for row in fake.rows)
    types = [pa.string(), pa.string(), pa.float64(), pa.int64()]
    assert {tuple(schema.types) for schema in fake.schemas} == {tuple(types)}
    assert len(fake.threads) == len(fake.calls)


def test_fewer_batches_than_streams_open_no_idle_stream():
    fake = FakeMssqlPython()
    assert mssql_python_driver(fake).copy("staging.heap", ROWS, iter(batches(1))) == 40
    assert len(fake.calls) == 1
    assert mssql_python_driver(fake).copy("staging.heap", ROWS, iter([])) == 0
    assert len(fake.calls) == 1


@pytest.mark.parametrize(
    "error", [UserError("EXTRACTION_PARSE_ERROR", "no number"), KeyboardInterrupt()]
)
@pytest.mark.parametrize("place", [0, 5])
def test_an_error_of_the_file_comes_out_as_it_is(place, error):
    def broken():
        yield from batches(place)
        raise error

    with pytest.raises(type(error)) as raised:
        mssql_python_driver(FakeMssqlPython()).copy("staging.heap", ROWS, broken())
    assert raised.value is error


def test_a_stream_that_fails_ends_the_others():
    """The file is not read to its end for them, and the core's error is one of the driver's."""
    taken = []

    def rows():
        for batch in batches(500):
            taken.append(batch)
            yield batch

    driver = mssql_python_driver(FakeMssqlPython(fails_at=200))
    with pytest.raises(driver.errors, match="1205"):
        driver.copy("staging.heap", ROWS, rows())
    assert len(taken) < 50


def pair_file(folder: Path) -> pa.Schema:
    """Schema of a file with every column that a file can have."""
    path = folder / "pairs.csv"
    path.write_text(",".join(["pair_id", "csv_override", *metrics()]) + "\n")
    return PairFile(path, "SEPSIS", "RNA-SEQ").schema


# What the bulk load's core writes to a column of each type: it converts nothing.
ARROW = {
    "bit": pa.bool_(), "integer": pa.int32(), "bigint": pa.int64(), "float": pa.float64(),
    "varchar": pa.string(), "nvarchar": pa.string(), "datetime2": pa.timestamp("us"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("table", "schema"),
    {
        "expression_rows": lambda _folder: ROWS,
        "pair_metrics": pair_file,
        "screened_pairs": lambda _folder: screened_pairs.PAIR_SCHEMA,
        "screened_contrasts": lambda _folder: screened_pairs.CONTRAST_SCHEMA,
        "pair_scores": lambda _folder: rank._SCORES,
        "calibration": lambda _folder: calibrate.SCHEMA,
        "feature_values": lambda _folder: rank._VALUES,
    }.items(),
)
def test_each_column_travels_as_its_table_has_it(table, schema, tmp_path):
    ddl = getattr(MACROS, f"staging_{table}_columns")()
    kinds = dict(re.findall(r"(\w+) (\w+)(?:\(\w+\))? (?:not )?null", ddl))
    for field in schema(tmp_path):
        kind = getattr(field.type, "value_type", field.type)
        assert kind == ARROW[kinds[field.name]], field.name


class FakePyodbc:
    """Stands in for pyodbc, likewise."""

    class Error(Exception):
        pass

    def __init__(self, *registered: str) -> None:
        self.registered = registered
        self.strings: list[str] = []
        self.executed: list[tuple[str, list[tuple], bool]] = []
        self.commits = 0
        self.fast_executemany = False

    def drivers(self) -> list[str]:
        return list(self.registered)

    def connect(self, string: str, **_options: object) -> "FakePyodbc":
        self.strings.append(string)
        return self

    def cursor(self) -> "FakePyodbc":
        return self

    def executemany(self, statement: str, rows: list[tuple]) -> None:
        self.executed.append((statement, rows, self.fast_executemany))

    def commit(self) -> None:
        self.commits += 1

    def close(self) -> None: ...


def pyodbc_driver(fake: FakePyodbc, **settings: object) -> PyodbcDriver:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "pyodbc", fake)
        return PyodbcDriver(credentials("pyodbc", **settings))


def test_pyodbc_sends_arrays_of_parameters():
    fake = FakePyodbc(SERVER_DRIVER)
    driver = pyodbc_driver(fake)
    sent = batches(3)
    assert driver.copy("staging.heap", ROWS, iter(sent)) == 120
    assert [is_fast for *_, is_fast in fake.executed] == [True, True, True]
    assert fake.executed[0][0] == (
        "insert into staging.heap with (tablock) (gene_id, sample_accession_code, expression_value, line_no)"
        " values (?, ?, ?, ?)"
    )
    assert [rows for _, rows, _ in fake.executed] == [
        list(zip(*(c.to_pylist() for c in batch.columns), strict=True)) for batch in sent
    ]
    assert fake.commits == 3
    assert "encrypt=Yes" in fake.strings[0].split(";")


@pytest.mark.parametrize(("encrypt", "packet_size"), [(True, 16000), (False, 32767)])
def test_pyodbc_asks_for_the_greatest_packets_that_it_can_encrypt(encrypt, packet_size):
    """The ODBC driver refuses statements on larger ones: "Packet size too large for SSL"."""
    fake = FakePyodbc(SERVER_DRIVER)
    driver = pyodbc_driver(fake, encrypt=encrypt)
    driver.copy("staging.heap", ROWS, iter(batches(1)))
    assert f"PacketSize={packet_size}" in fake.strings[0].split(";")


@with_the_real_driver
def test_the_profile_names_the_driver():
    assert isinstance(open_driver(credentials("mssql-python")), MssqlPythonDriver)
    assert isinstance(open_driver(credentials("pyodbc")), PyodbcDriver)


@with_the_real_driver
def test_pyodbc_takes_the_wheels_driver_where_none_is_registered():
    def driver_of(*registered: str, **settings: object) -> str:
        return pyodbc_driver(FakePyodbc(*registered), **settings)._credentials.driver

    assert driver_of() == wheel_driver()
    assert "msodbcsql" in wheel_driver()
    assert driver_of(SERVER_DRIVER) == SERVER_DRIVER
    assert driver_of(driver=wheel_driver()) == wheel_driver()


@with_the_real_driver
@pytest.mark.parametrize("backend", ["mssql-python", "pyodbc"])
def test_a_server_that_cannot_be_reached_is_4001(backend):
    """With the real drivers; nothing listens at port 1."""
    with pytest.raises(UserError, match="4001") as raised:
        SqlServerWarehouse(credentials(backend, host="127.0.0.1", port=1, login_timeout=1))
    assert "55" not in str(raised.value)
    assert raised.value.file == "127.0.0.1/warehouse"


@pytest.mark.parametrize("backend", ["mssql-python", "pyodbc"])
def test_a_library_that_is_missing_is_4001(backend, monkeypatch):
    monkeypatch.setitem(sys.modules, backend.replace("-", "_"), None)
    with pytest.raises(UserError, match="4001") as raised:
        open_driver(credentials(backend))
    assert "libltdl7" in raised.value.action


@with_the_real_driver
def test_an_unfinished_profile_is_4001():
    with pytest.raises(UserError, match="4001"):
        SqlServerWarehouse(credentials(PWD=""))


class FakeSession:
    """Counts the rows of a heap."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.statements: list[str] = []
        self.locks: list[str] = []

    def __call__(self) -> "FakeSession":
        return self

    def __enter__(self) -> "FakeSession":
        return self

    def __exit__(self, *_: object) -> None: ...

    def execute(self, statement: str) -> None:
        self.statements.append(statement)

    def wait_for(self, lock: str) -> None:
        assert not self.statements, "the lock is taken before the heap is there"
        self.locks.append(lock)

    def row(self, _query: str) -> tuple[int]:
        return (self.count,)


def heap_of(session: FakeSession, **driver: object) -> _Heap:
    return _Heap(MACROS, session, mssql_python_driver(FakeMssqlPython(**driver)))


def test_rows_that_the_server_lacks_are_4005():
    session = FakeSession(count=80)
    with heap_of(session, loses=40) as heap:
        heap.make(session, "staging.heap", "staging.expression_rows", ROWS.names)
        with pytest.raises(UserError, match="4005"):
            heap.fill(ROWS, iter(batches(1)))
    assert session.statements[-1] == "drop table if exists staging.heap"


def test_a_broken_load_leaves_no_heap():
    session = FakeSession(count=40)
    with pytest.raises(LoadError), heap_of(session) as heap:
        heap.make(session, "staging.heap", "staging.expression_rows", ROWS.names)
        assert heap.fill(ROWS, iter(batches(1))) == 40
        raise LoadError
    assert session.statements == [
        "drop table if exists staging.heap",
        "select gene_id, sample_accession_code, expression_value, line_no into staging.heap"
        " from staging.expression_rows where 1 = 0",
        "drop table if exists staging.heap",
    ]
    assert session.locks == [MACROS.lock_until_commit("heap staging.heap")]


class LoadError(Exception):
    pass


class FakeServer(Driver):
    """A driver whose server has tables, and processes that hold locks."""

    errors = (FakePyodbc.Error,)

    def __init__(self, tables: list[str], held: tuple[str, ...] = ()) -> None:
        self.tables = tables
        self.held = held
        self.statements: list[str] = []

    def connect(self, **_options: object) -> "FakeServer":
        return self

    def cursor(self) -> "FakeServer":
        return self

    def execute(self, statement: str, *_values: object) -> "FakeServer":
        self.statements.append(statement)
        self.rows: list[tuple] = []
        if "from sys.tables as t with (nolock)" in statement:
            self.rows = [(name,) for name in self.tables]
        elif "select @granted as granted" in statement:
            self.rows = [(-1 if any(name in statement for name in self.held) else 0,)]
        self.description = [("column",)] if self.rows else None
        return self

    def fetchall(self) -> list[tuple]:
        return self.rows

    def fetchone(self) -> tuple | None:
        return self.rows[0] if self.rows else None

    def nextset(self) -> bool:
        return False

    def commit(self) -> None: ...

    def rollback(self) -> None: ...

    def close(self) -> None: ...

    _connect = copy = batches = None


def opened(server: FakeServer, monkeypatch: pytest.MonkeyPatch, **options: bool) -> FakeServer:
    monkeypatch.setattr(
        "expression_warehouse.core.warehouse.sqlserver.open_driver", lambda _credentials: server
    )
    SqlServerWarehouse(credentials(), **options)
    return server


def test_heaps_of_killed_loads_go_and_those_of_living_ones_stay(monkeypatch):
    """When the next command opens the warehouse; a command that only looks changes nothing."""
    killed = [
        f"expression_rows_{'a' * 32}",
        f"pair_metrics_{'b' * 32}",
        f"a_table_of_the_future_{'0c' * 16}",
    ]
    living = [f"expression_rows_{'d' * 32}", f"screened_pairs_{'e' * 32}"]
    others = ["expression_rows", "batch", "stg_batch", "int_slice_2", "expression_rows_2024"]
    tables = [*killed, *living, *others]
    server = opened(FakeServer(tables, held=tuple(living)), monkeypatch)
    dropped = [text for text in server.statements if text.startswith("drop")]
    assert dropped == [f"drop table if exists loading.{name}" for name in killed]
    probe = opened(FakeServer(tables), monkeypatch, is_probe=True)
    assert probe.statements == []


def test_a_heap_that_cannot_be_removed_keeps_nobody_from_loading(monkeypatch):
    class Denying(FakeServer):
        def execute(self, statement: str, *values: object) -> FakeServer:
            if statement.startswith("drop"):
                raise FakePyodbc.Error("permission denied")
            return super().execute(statement, *values)

    opened(Denying([f"pair_metrics_{'b' * 32}"]), monkeypatch)


@pytest.mark.parametrize("lock", ["lock_until_commit", "try_lock_until_commit"])
def test_a_lock_is_asked_for_within_a_transaction(lock):
    """Without autocommit, the server begins one with the first statement that looks at a table, which
    a call of a procedure is not; without one, sp_getapplock fails."""
    statement = getattr(MACROS, lock)("tables")
    assert 0 < statement.index(" from sys.") < statement.index("sp_getapplock")
