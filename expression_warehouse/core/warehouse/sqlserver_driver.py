"""The two drivers for SQL Server, as a target's `backend` names them: how each connects, takes in
rows and gives a result as Arrow. Where the server is and how to log in is dbt's adapter's say."""

import contextlib
import dataclasses
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import tenacity
from dbt.adapters.sqlserver.sqlserver_auth import get_pyodbc_attrs_before_credentials
from dbt.adapters.sqlserver.sqlserver_backend import (
    build_mssql_python_connection_string,
    build_pyodbc_connection_string,
)
from dbt.adapters.sqlserver.sqlserver_credentials import SQLServerBackend, SQLServerCredentials

from expression_warehouse.core.errors import UserError
from expression_warehouse.core.transient import is_transient

# Asked for by connections that send many rows. With the default of 4096, they wait for the network
# at each few rows. The greatest that the protocol has; a server that allows less says so.
PACKET_SIZE = 32767
# The ODBC driver encrypts each packet as one TLS record of at most 16384 bytes, overhead included.
# Statements with larger packets fail: "Packet size too large for SSL Encrypt/Decrypt operations".
ENCRYPTED_PACKET_SIZE = 16000

# Rows of a result that are fetched together.
_ROWS_AT_A_TIME = 50_000

# Bulk loads into one heap at a time. A table lock for bulk load (BU) lets in others of its kind.
_STREAMS = 4


class Driver(ABC):
    """A driver, for the credentials of a target.

    errors  what the driver's errors are
    """

    errors: tuple[type[Exception], ...]

    def __init__(self, credentials: SQLServerCredentials) -> None:
        self._credentials = credentials

    def connect(self, **options: object) -> Any:
        """A connection, not in autocommit mode; tried again, as often as the profile's `retries`
        says, where the server cannot be reached for the moment.

        options  more words of the connection string
        """
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_passes),
            wait=tenacity.wait_random_exponential(multiplier=0.2, max=5),
            stop=tenacity.stop_after_attempt(max(1, self._credentials.retries)),
            reraise=True,
        )
        return retrying(self._connect, "".join(f";{name}={word}" for name, word in options.items()))

    @abstractmethod
    def _connect(self, options: str) -> Any: ...

    @abstractmethod
    def copy(self, table: str, schema: pa.Schema, rows: Iterator[pa.RecordBatch]) -> int:
        """Write rows to the columns of `table` that are named as theirs, and commit them as they
        come: nobody else may know of the table yet. Return how many the driver says it wrote.

        An error that `rows` raises comes out as it is; the driver's is one of `errors`.
        """

    @abstractmethod
    def batches(self, cursor: Any) -> pa.RecordBatchReader:
        """The rows of a query that was executed, as they come."""


def open_driver(credentials: SQLServerCredentials) -> Driver:
    """The driver that the profile names."""
    is_pyodbc = credentials.backend == SQLServerBackend.pyodbc
    return PyodbcDriver(credentials) if is_pyodbc else MssqlPythonDriver(credentials)


class MssqlPythonDriver(Driver):
    """mssql-python: Arrow straight into a bulk load.

    Raises UserError 4001 if the system lacks a library that it needs.
    """

    def __init__(self, credentials: SQLServerCredentials) -> None:
        super().__init__(credentials)
        with _named_import_error():
            import mssql_python
            from mssql_python.exceptions import ConnectionStringParseError

        self._module = mssql_python
        self.errors = (mssql_python.Error, ConnectionStringParseError)

    def _connect(self, options: str) -> Any:
        string = build_mssql_python_connection_string(self._credentials)
        return self._module.connect(
            f"{string}{options}",
            autocommit=False,
            timeout=self._credentials.login_timeout,
        )

    def copy(self, table: str, schema: pa.Schema, rows: Iterator[pa.RecordBatch]) -> int:
        stripes = _Stripes(_plain(schema), rows)
        with (
            # No statement of its own runs on it: bulk loads take its connection string.
            contextlib.closing(self.connect(PacketSize=PACKET_SIZE)) as connection,
            ThreadPoolExecutor(_STREAMS) as pool,
        ):
            loads = [
                pool.submit(self._copy_stripe, connection.cursor(), table, stripes)
                for _ in range(_STREAMS)
            ]
        failures = [failure for load in loads if (failure := load.exception())]
        if stripes.failure:
            raise stripes.failure from None
        if failures:
            raise failures[0]
        return sum(load.result() for load in loads)

    def _copy_stripe(self, cursor: Any, table: str, stripes: "_Stripes") -> int:
        stripe = stripes.stripe()
        if stripe is None:
            return 0
        try:
            # It opens a connection of its own, outside of any transaction.
            result = cursor.bulkcopy_arrow(
                table,
                stripe,
                # Without an end, since a bulk load takes as long as the file is read.
                timeout=0,
                column_mappings=stripe.schema.names,
                keep_nulls=True,
                table_lock=True,
            )
        except BaseException as error:
            stripes.stop()
            if isinstance(error, self.errors):
                raise
            # The bulk load's core has errors of its own.
            raise self._module.DatabaseError(str(error), str(error)) from error
        return result["rows_copied"]

    def batches(self, cursor: Any) -> pa.RecordBatchReader:
        reader = cursor.arrow_reader(_ROWS_AT_A_TIME)
        return pa.RecordBatchReader.from_batches(reader.schema, reader)


class PyodbcDriver(Driver):
    """pyodbc: arrays of parameters. Microsoft's driver is the one of the profile, or where unixODBC
    knows none of that name the one in the wheel of mssql-python.

    Raises UserError 4001 if the system lacks a library that it needs.
    """

    def __init__(self, credentials: SQLServerCredentials) -> None:
        with _named_import_error():
            import pyodbc

        named = credentials.driver or ""
        if named not in pyodbc.drivers() and not Path(named).is_file():
            credentials = dataclasses.replace(credentials, driver=wheel_driver())
        super().__init__(credentials)
        self._module = pyodbc
        self.errors = (pyodbc.Error,)

    def _connect(self, options: str) -> Any:
        string = build_pyodbc_connection_string(self._credentials)
        return self._module.connect(
            f"{string}{options}",
            attrs_before=get_pyodbc_attrs_before_credentials(self._credentials),
            autocommit=False,
            timeout=self._credentials.login_timeout,
        )

    def copy(self, table: str, schema: pa.Schema, rows: Iterator[pa.RecordBatch]) -> int:
        columns, values = ", ".join(schema.names), ", ".join("?" for _ in schema)
        statement = f"insert into {table} with (tablock) ({columns}) values ({values})"
        written = 0
        is_encrypted = self._credentials.encrypt
        packet_size = ENCRYPTED_PACKET_SIZE if is_encrypted else PACKET_SIZE
        with contextlib.closing(self.connect(PacketSize=packet_size)) as connection:
            cursor = connection.cursor()
            cursor.fast_executemany = True
            for batch in rows:
                columns_of_values = (column.to_pylist() for column in batch.columns)
                cursor.executemany(statement, list(zip(*columns_of_values, strict=True)))
                connection.commit()
                written += batch.num_rows
        return written

    def batches(self, cursor: Any) -> pa.RecordBatchReader:
        schema = pa.schema([_field(*column) for column in cursor.description])

        def fetch() -> Iterator[pa.RecordBatch]:
            while rows := cursor.fetchmany(_ROWS_AT_A_TIME):
                columns = zip(*map(tuple, rows), strict=True)
                arrays = [
                    pa.array(column, field.type)
                    for column, field in zip(columns, schema, strict=True)
                ]
                yield pa.record_batch(arrays, schema=schema)

        return pa.RecordBatchReader.from_batches(schema, fetch())


def wheel_driver() -> str:
    """The path of Microsoft's ODBC driver that mssql-python brings.

    Raises UserError 4001 if the system lacks a library that it needs.
    """
    with _named_import_error():
        import mssql_python_odbc
        from mssql_python import ddbc_bindings

    return ddbc_bindings.GetDriverPathCpp(str(Path(mssql_python_odbc.__file__).parent))


@contextlib.contextmanager
def _named_import_error() -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise UserError(
            "LOAD_CONNECTION_FAILED",
            f"the driver for SQL Server cannot be loaded: {error}",
            action="Install it; on Debian and Ubuntu: apt-get install libltdl7 unixodbc",
        ) from error


class _Stripes:
    """Rows that several streams share: each takes the next batch when it has sent the previous one.

    failure  the exception that reading the rows raised, if any
    """

    def __init__(self, schema: pa.Schema, rows: Iterator[pa.RecordBatch]) -> None:
        self._schema = schema
        self._rows = rows
        self._lock = threading.Lock()
        self._stopped = False
        self.failure: BaseException | None = None

    def stripe(self) -> pa.RecordBatchReader | None:
        """A reader of some of the batches; nothing where none is left."""
        first = self._next()
        if first is None:
            return None
        return pa.RecordBatchReader.from_batches(self._schema, self._batches(first))

    def stop(self) -> None:
        """Let the other streams end: one has failed."""
        with self._lock:
            self._stopped = True

    def _batches(self, first: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        batch: pa.RecordBatch | None = first
        while batch is not None:
            yield batch
            batch = self._next()

    def _next(self) -> pa.RecordBatch | None:
        with self._lock:
            if self._stopped:
                return None
            try:
                batch = next(self._rows, None)
            except BaseException as error:
                self._stopped = True
                self.failure = error
                raise
        return None if batch is None else _decoded(batch, self._schema)


def _plain(schema: pa.Schema) -> pa.Schema:
    """The schema without dictionaries, which the bulk load does not read."""
    return pa.schema(
        [
            field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field
            for field in schema
        ]
    )


def _decoded(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    columns = [
        column.dictionary_decode() if isinstance(column, pa.DictionaryArray) else column
        for column in batch.columns
    ]
    return pa.record_batch(columns, schema=schema)


def _field(
    name: str, kind: type, _display: int | None, _size: int, precision: int, *_rest: object
) -> pa.Field:
    """A column of a result as DB-API describes it."""
    if kind is int:
        return pa.field(name, pa.int64() if precision > 10 else pa.int32())
    types = {"bool": pa.bool_(), "float": pa.float64(), "datetime": pa.timestamp("us")}
    return pa.field(name, types.get(kind.__name__, pa.string()))


def _passes(error: BaseException) -> bool:
    return isinstance(error, Exception) and is_transient("sqlserver", str(error))
