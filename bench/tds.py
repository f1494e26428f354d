"""Ways to write the melt's rows to a SQL Server target, side by side in one run."""

import contextlib
import dataclasses
import itertools
import time
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pyarrow as pa
import rich.console
import rich.table
from dbt.adapters.sqlserver.sqlserver_credentials import SQLServerBackend, SQLServerCredentials

from expression_warehouse.core.warehouse.matrix_rows import ROWS
from expression_warehouse.core.warehouse.profile import read_profile
from expression_warehouse.core.warehouse.sqlserver_driver import Driver, open_driver

TABLE = "dbo.bench_tds"
# A statement has 2,100 parameters at most, and a row four values.
_ROWS_OF_A_STATEMENT = 500
# The slow ways write this share of the rows; their time per row does not depend on the number.
_SHARE_OF_SLOW_WAYS = 0.02
_BATCH = 250_000

console = rich.console.Console(width=110)


def generated_rows(count: int) -> Iterator[pa.RecordBatch]:
    """Batches as the melt gives them; every tenth value is missing."""
    genes = pa.array([f"ENSG{gene:011d}" for gene in range(_BATCH)])
    samples = pa.array(["GSM900000001"])
    dice = np.random.default_rng(0)
    for start in range(0, count, _BATCH):
        size = min(_BATCH, count - start)
        codes = np.arange(size, dtype=np.int32)
        values = dice.normal(8, 2, size)
        yield pa.record_batch(
            [
                pa.DictionaryArray.from_arrays(codes, genes),
                pa.DictionaryArray.from_arrays(np.zeros(size, np.int32), samples),
                pa.array(values, mask=codes % 10 == 0),
                pa.array(codes + start, pa.int64()),
            ],
            schema=ROWS,
        )


def _tuples(count: int) -> Iterator[tuple]:
    for batch in generated_rows(count):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def row_by_row(driver: Driver, count: int) -> None:
    """A statement and a round trip for each row, one transaction."""
    _execute(driver, _statement(1), _tuples(count))


def many_rows_a_statement(driver: Driver, count: int) -> None:
    """`insert … values (…), (…), …`."""
    rows = _tuples(count)
    while chunk := list(itertools.islice(rows, _ROWS_OF_A_STATEMENT)):
        _execute(driver, _statement(len(chunk)), [tuple(itertools.chain(*chunk))])


def _statement(rows: int) -> str:
    values = ", ".join(["(?, ?, ?, ?)"] * rows)
    return f"insert into {TABLE} ({', '.join(ROWS.names)}) values {values}"


def _execute(driver: Driver, statement: str, rows: Iterable[tuple]) -> None:
    with contextlib.closing(driver.connect()) as connection:
        cursor = connection.cursor()
        for row in rows:
            cursor.execute(statement, *row)
        connection.commit()


def as_the_loader(driver: Driver, count: int) -> None:
    """What `python -m loader ingest` does with this backend."""
    driver.copy(TABLE, ROWS, generated_rows(count))


def compare_writes(target: str, rows: int) -> None:
    """Print the rows/s of each way; all but the bulk load of backend mssql-python use pyodbc."""
    credentials = read_profile(target).credentials
    pyodbc, bulk = (_driver(credentials, name) for name in SQLServerBackend)
    few = max(1, int(rows * _SHARE_OF_SLOW_WAYS))
    table = rich.table.Table(title=f"Writing {rows:,} rows to {credentials.host}")
    for column in ("", "rows", "seconds", "rows/s", "times row by row"):
        table.add_column(column, justify="right" if column else "left", no_wrap=True)
    base = 0.0
    for name, way, driver, count in (
        ("row by row", row_by_row, pyodbc, few),
        (f"{_ROWS_OF_A_STATEMENT} rows a statement", many_rows_a_statement, pyodbc, few),
        ("backend pyodbc: fast_executemany", as_the_loader, pyodbc, rows),
        ("backend mssql-python: bulkcopy_arrow", as_the_loader, bulk, rows),
    ):
        try:
            seconds = _timed(way, driver, count)
        except driver.errors as error:
            table.add_row(name, f"{count:,}", "refused", "", "")
            console.print(f"{name}: {str(error).splitlines()[0]}", markup=False)
            continue
        speed = count / seconds
        base = base or speed
        table.add_row(name, f"{count:,}", f"{seconds:.2f}", f"{speed:,.0f}", f"{speed / base:.1f}")
    console.print(table)


def _driver(credentials: SQLServerCredentials, backend: SQLServerBackend) -> Driver:
    return open_driver(dataclasses.replace(credentials, backend=backend))


def _timed(way: Callable[[Driver, int], None], driver: Driver, count: int) -> float:
    """Seconds to write to an empty table.

    Raises RuntimeError where rows or missing values were lost.
    """
    with contextlib.closing(driver.connect()) as connection:
        cursor = connection.cursor()
        cursor.execute(f"drop table if exists {TABLE}")
        cursor.execute(
            f"create table {TABLE} (gene_id varchar(50) not null,"
            " sample_accession_code varchar(50) not null, expression_value float(53) null,"
            " line_no bigint not null)"
        )
        connection.commit()
        start = time.perf_counter()
        try:
            way(driver, count)
            seconds = time.perf_counter() - start
            cursor.execute(f"select count(*), count(expression_value) from {TABLE}")
            written = tuple(cursor.fetchone())
        finally:
            connection.rollback()
            cursor.execute(f"drop table {TABLE}")
            connection.commit()
    expected = (count, sum(len(b) - b.column(2).null_count for b in generated_rows(count)))
    if written != expected:
        raise RuntimeError(f"{written} rows and values are there, {expected} were sent")
    return seconds
