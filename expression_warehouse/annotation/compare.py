"""Compares two snapshots of gene annotation, value by value.

Values are those of a source, gene, attribute and item. Numbers are equal if they differ by no more
than the attribute's tolerance; the values of a list are compared without regard to their order.
"""

import contextlib
import hashlib
import itertools
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import duckdb
import pyarrow as pa

from expression_warehouse.annotation.catalog import attributes
from expression_warehouse.annotation.snapshot import FIRST_LINE_OF_GENES
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.files import unreadable

_ROWS_AT_A_TIME = 50_000
_KEY = ("source", "id_type", "gene", "attribute", "item")
_ROWS = pa.schema(
    [
        *(pa.field(name, pa.string()) for name in (*_KEY, "value")),
        pa.field("number", pa.float64()),
    ]
)

# A value that only one snapshot has is missing or new. If each snapshot has exactly one such value
# of a key, that value has changed, unless both are numbers within the tolerance.
_DIFFERENCES = """
    with missing as (
        select * from before except select * from after
    ),

    new as (
        select * from after except select * from before
    ),

    single as (
        select m.*, n.value as value_after, n.number as number_after
        from missing as m
        inner join new as n using (source, id_type, gene, attribute, item)
        qualify count(*) over (partition by source, id_type, gene, attribute, item) = 1
    ),

    changed as (
        select source, id_type, gene, attribute, item, value as value_before, value_after
        from single
        left join tolerance using (source, attribute)
        where
            not coalesce(
                abs(number - number_after)
                <= coalesce(tolerance, 0) * greatest(abs(number), abs(number_after)),
                false
            )
    )

    select 'CHANGED' as difference, * from changed
    union all
    select 'MISSING', * exclude (value, number), value, null
    from missing
    anti join single using (source, id_type, gene, attribute, item)
    union all
    select 'NEW', * exclude (value, number), null, value
    from new
    anti join single using (source, id_type, gene, attribute, item)
"""
_SORTED = """
    select * from difference
    order by source, gene, id_type, attribute, item, difference, value_before, value_after
"""
_COUNTS = """
    select source, attribute, difference, count(*) as count
    from difference
    group by all
    order by all
"""


class Comparison:
    """Two snapshots in a database of their own.

    gene_counts   number of genes by kind of file in the first and in the second
    files         kind of file → its hashes in the first and in the second, if they differ; None
                  if a snapshot lacks the file
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, before: Path, after: Path) -> None:
        self._connection = connection
        tolerances = [(each.source, each.attribute, each.tolerance) for each in attributes()]
        connection.execute(
            "create temp table tolerance (source text, attribute text, tolerance double)"
        )
        if tolerances:
            connection.executemany("insert into tolerance values (?, ?, ?)", tolerances)
        digests = _digests(before), _digests(after)
        self.gene_counts = (len(digests[0]), len(digests[1]))
        self._take("before", _rows(before, digests[1]))
        self._take("after", _rows(after, digests[0]))
        connection.execute(f"create temp table difference as {_DIFFERENCES}")
        hashes = _hashes(before), _hashes(after)
        self.files = {
            name: pair
            for name in sorted({**hashes[0], **hashes[1]})
            if (pair := (hashes[0].get(name), hashes[1].get(name)))[0] != pair[1]
        }

    def differences(self) -> Iterator[dict[str, Any]]:
        """One per value: difference (MISSING, NEW or CHANGED), source, id_type, gene, attribute,
        item, value_before and value_after."""
        for batch in self._connection.sql(_SORTED).to_arrow_reader(_ROWS_AT_A_TIME):
            yield from batch.to_pylist()

    def counts(self) -> list[dict[str, Any]]:
        """How many there are: source, attribute, difference, count."""
        return self._connection.sql(_COUNTS).to_arrow_table().to_pylist()

    def _take(self, name: str, tables: Iterator[pa.Table]) -> None:
        self._connection.from_arrow(_ROWS.empty_table()).create(name)
        for table in tables:
            self._connection.from_arrow(table).insert_into(name)


@contextlib.contextmanager
def compared(before: Path, after: Path) -> Iterator[Comparison]:
    """Compare two snapshots.

    Raises UserError 54507 if a file is not a snapshot, and 1007 if it cannot be read.
    """
    with (
        tempfile.TemporaryDirectory(prefix="annotation-") as folder,
        duckdb.connect(config={"memory_limit": "500MB", "temp_directory": folder}) as connection,
    ):
        yield Comparison(connection, before, after)


def _digests(path: Path) -> set[bytes]:
    """A digest of each gene's line: lines that both snapshots have need no further look."""
    with _named_errors(path), path.open(encoding="utf-8") as file:
        _metadata(file)
        return {_digest(line) for line in _gene_lines(file)}


def _digest(line: str) -> bytes:
    return hashlib.blake2b(line.encode(), digest_size=16).digest()


def _gene_lines(file: TextIO) -> Iterator[str]:
    return (line.rstrip(",\n") for line in file if line.startswith("{"))


def _rows(path: Path, known: set[bytes]) -> Iterator[pa.Table]:
    """The values of a snapshot, in tables of the schema _ROWS, without lines whose digest is
    known."""
    with _named_errors(path), path.open(encoding="utf-8") as file:
        _metadata(file)
        records = (json.loads(line) for line in _gene_lines(file) if _digest(line) not in known)
        rows = (
            _row(record, attribute, item, value)
            for record in records
            for attribute, items in record["values"].items()
            for item, value in items.items()
        )
        while chunk := list(itertools.islice(rows, _ROWS_AT_A_TIME)):
            columns = zip(*chunk, strict=True)
            yield pa.table(dict(zip(_ROWS.names, columns, strict=True)), schema=_ROWS)


def _row(record: dict[str, Any], attribute: str, item: str, value: Any) -> tuple[Any, ...]:
    number = float(value) if isinstance(value, int | float) else None
    key = (record["source"], record["id_type"], record["gene"], attribute, item)
    return (*key, str(value) if number is None else repr(number), number)


def _hashes(path: Path) -> dict[str, str]:
    """Kind of file → hash."""
    with _named_errors(path), path.open(encoding="utf-8") as file:
        return {name: row["file_hash"] for name, row in _metadata(file)["files"].items()}


def _metadata(file: TextIO) -> dict[str, Any]:
    """The first line, as `snapshot` writes it; leaves the file at the line of the first gene."""
    head = json.loads(file.readline().rstrip(",\n") + "}")
    if file.readline() != FIRST_LINE_OF_GENES:
        raise ValueError("the file does not have one line per gene")
    return head["metadata"]


@contextlib.contextmanager
def _named_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise unreadable(str(path), error) from error
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise UserError(
            "ANNOTATION_SNAPSHOT_INVALID",
            f"it is not such a snapshot ({type(error).__name__}: {error})",
            file=str(path),
        ) from error
