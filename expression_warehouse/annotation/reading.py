"""Reads delimited text of bulk files with DuckDB: header by name, melted in SQL, in bounded memory.

A source states its Layout and one query over `lines`, the table of its columns. The query yields
id_type, gene_ref, attribute, item and value; whether a value is a number too is said by seed
annotation_attribute.
"""

import contextlib
import csv
import glob
import gzip
import re
import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import duckdb
import pyarrow as pa

from expression_warehouse.annotation.bulk_file import VALUES
from expression_warehouse.annotation.compressed import is_gzip, open_decompressed
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.project import read_seed

# A header is looked for in the first bytes and lines; the longest known one has 4 KiB.
_HEAD_BYTES = 1 << 16
_HEAD_LINES = 20
_BATCH_ROWS = 50_000
_MEMORY_LIMIT = "500MB"
_DAMAGED = (EOFError, gzip.BadGzipFile, zlib.error)


@dataclass(frozen=True)
class Column:
    """A column that a query reads.

    name         its name in the query
    spellings    its names in headers of known releases; by default, the same
    type         DuckDB type; a text that is none is an invalid line
    is_optional  a header may lack it; the query then reads nulls
    """

    name: str
    spellings: tuple[str, ...] = ()
    type: str = "varchar"
    is_optional: bool = False

    def index(self, header: Sequence[str]) -> int | None:
        """Its place in the header; None if it is not there."""
        for spelling in self.spellings or (self.name,):
            if spelling in header:
                return header.index(spelling)
        return None


@dataclass(frozen=True)
class Layout:
    """What a delimited text file looks like.

    columns      those that the query reads. With a header, they are found by name, in any order,
                 below any lines of other text; without one, they are all columns in their order
    first_line   of a file without a header: a pattern per column, which its first line matches
    separator    between columns
    quote        around values; '' if quotes are text
    missing      texts that stand for a missing value
    is_ragged    lines may be shorter than the header or longer, of which the rest is not read; a
                 carriage return within a line ends it
    comment      lines that start with this character are skipped; '' if none are
    other_type   DuckDB type under which the query reads all other columns too, by their names in
                 the header; '' if it does not read them
    """

    columns: tuple[Column, ...]
    first_line: tuple[str, ...] = ()
    separator: str = "\t"
    quote: str = ""
    missing: tuple[str, ...] = ("",)
    is_ragged: bool = False
    comment: str = ""
    other_type: str = ""


@dataclass(frozen=True)
class _Plan:
    """How DuckDB reads a file: the names of all its columns, and the lines above the data."""

    layout: Layout
    names: list[str]
    skipped_lines: int


def texts(*names: str, is_optional: bool = False) -> tuple[Column, ...]:
    """Text columns whose names in the query are those of the header."""
    return tuple(Column(name, is_optional=is_optional) for name in names)


def parser(
    layouts: Layout | Sequence[Layout], query: str, **parameters: str
) -> Callable[[Path], Iterator[pa.RecordBatch]]:
    """Runs `query` over table `lines` of a file, in the first of the layouts that fits, with its
    parameters $name; yields batches of schema VALUES, without the rows that have no value.

    Raises UserError 54500 if no layout fits, 54501 for a line that cannot be read, 54302 if
    temporary data find no space.
    """
    alternatives = [layouts] if isinstance(layouts, Layout) else list(layouts)

    def parse(path: Path) -> Iterator[pa.RecordBatch]:
        plan = _plan(path, alternatives)
        with _connection() as connection, _named_line_errors(path):
            _lines(connection, path, plan).create_view("lines")
            yield from _batches(connection, query, parameters)

    return parse


def values_of_table(table: pa.Table, query: str) -> Iterator[pa.RecordBatch]:
    """As `parser`, of a table that is in memory."""
    with _connection() as connection:
        connection.from_arrow(table).create_view("lines")
        yield from _batches(connection, query, {})


@contextlib.contextmanager
def open_bytes(path: Path) -> Iterator[BinaryIO]:
    """The file, decompressed if its first bytes say gzip (as .gz and .bgz are).

    Raises UserError 54501, also while the block reads, if it is damaged.
    """
    try:
        with open_decompressed(path) as file:
            yield file
    except _DAMAGED as error:
        raise UserError("ANNOTATION_LINE_INVALID", f"damaged: {error}", file=str(path)) from error


def head_lines(path: Path) -> list[str]:
    """The first lines, decompressed, without line ends."""
    with open_bytes(path) as file:
        text = file.read(_HEAD_BYTES).decode("utf-8-sig", errors="replace")
    # Only what DuckDB takes for a line end; `splitlines` also splits at rare control characters.
    lines = re.split(r"\r?\n", text)
    return lines[: min(_HEAD_LINES, len(lines) - (lines[-1] == ""))]


def version_in_name(pattern: str) -> Callable[[Path], str | None]:
    """Finds the release in the file's name: group 1 of the pattern."""
    return lambda path: _group(pattern, path.name)


def version_in_text(pattern: str, date_format: str | None = None) -> Callable[[Path], str | None]:
    """Finds the release in the file's first lines: group 1 of the pattern, as an ISO date if
    `date_format` says how the date is written."""

    def version(path: Path) -> str | None:
        found = _group(pattern, "\n".join(head_lines(path)))
        if found and date_format:
            # A date that is written otherwise names the release as well.
            with contextlib.suppress(ValueError):
                return datetime.strptime(found, date_format).date().isoformat()
        return found

    return version


def no_version(path: Path) -> str | None:
    """For files that do not name their release."""
    return None


def _group(pattern: str, text: str) -> str | None:
    match = re.search(pattern, text)
    return match.group(1) if match else None


def _plan(path: Path, layouts: Sequence[Layout]) -> _Plan:
    """Raises UserError 54500 if the file has none of the layouts."""
    head = head_lines(path)
    for layout in layouts:
        plan = _headless_plan(head, layout) if layout.first_line else _header_plan(head, layout)
        if plan:
            return plan
    raise _unknown_header(path, head, layouts)


def _headless_plan(head: Sequence[str], layout: Layout) -> _Plan | None:
    lines = [line for line in head if not (layout.comment and line.startswith(layout.comment))]
    cells = lines[0].split(layout.separator) if lines else []
    if len(cells) != len(layout.first_line):
        return None
    if not all(map(re.fullmatch, layout.first_line, cells)):
        return None
    return _Plan(layout, [column.name for column in layout.columns], skipped_lines=0)


def _header_plan(head: Sequence[str], layout: Layout) -> _Plan | None:
    for number, line in enumerate(head, start=1):
        header = _cells(line, layout)
        if not _missing(header, layout):
            names = [f"unread_{place}" for place in range(len(header))]
            if layout.other_type:
                names = list(header)
            for column in layout.columns:
                place = column.index(header)
                if place is not None:
                    names[place] = column.name
            return _Plan(layout, names, number)
    return None


def _cells(line: str, layout: Layout) -> list[str]:
    """The names in a header line, which some files start with `#` or `#Format: ` and some write
    with `<tab>`."""
    line = re.sub(r"^#(Format:)?\s*", "", line).replace("<tab>", "\t")
    if layout.quote:
        return next(csv.reader([line], delimiter=layout.separator, quotechar=layout.quote), [])
    return line.split(layout.separator)


def _missing(header: Sequence[str], layout: Layout) -> list[str]:
    """The columns that a header must have and this one lacks, as headers spell them."""
    return [
        " or ".join(column.spellings or (column.name,))
        for column in layout.columns
        if not column.is_optional and column.index(header) is None
    ]


def _unknown_header(path: Path, head: Sequence[str], layouts: Sequence[Layout]) -> UserError:
    layout = layouts[0]
    if not head:
        found = "the file is empty"
    elif layout.first_line:
        found = f"its first line is {head[0][:200]!r}"
    else:
        missing = min((_missing(_cells(line, layout), layout) for line in head), key=len)
        found = f"lacks the columns {', '.join(missing)}"
    names = ", ".join(_missing([], layout))
    if layout.first_line:
        names += ", without a header"
    return UserError(
        "ANNOTATION_HEADER_UNKNOWN", found, file=str(path), expected=f"the columns {names}"
    )


@contextlib.contextmanager
def _connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """What does not fit into the memory limit goes to a folder that is deleted at the end.

    Raises UserError 54302 if there is no space for it.
    """
    with tempfile.TemporaryDirectory(prefix="annotation-") as folder:
        settings = {"memory_limit": _MEMORY_LIMIT, "threads": 2, "temp_directory": folder}
        try:
            with duckdb.connect(config=settings) as connection:
                yield connection
        except (duckdb.IOException, duckdb.OutOfMemoryException) as error:
            raise UserError(
                "FOLDER_NOT_WRITABLE",
                str(error).splitlines()[0],
                file=tempfile.gettempdir(),
                action="Free space there, or set TMPDIR to a folder with more space",
            ) from error


def _lines(
    connection: duckdb.DuckDBPyConnection, path: Path, plan: _Plan
) -> duckdb.DuckDBPyRelation:
    layout = plan.layout
    types = {column.name: column.type for column in layout.columns}
    relation = connection.read_csv(
        glob.escape(str(path)),
        header=False,
        auto_detect=False,
        columns={name: types.get(name, layout.other_type or "varchar") for name in plan.names},
        skiprows=plan.skipped_lines,
        sep=layout.separator,
        quotechar=layout.quote,
        escapechar=layout.quote,
        comment=layout.comment,
        na_values=list(layout.missing),
        null_padding=layout.is_ragged,
        strict_mode=not layout.is_ragged,
        compression="gzip" if is_gzip(path) else "none",
    )
    absent = [column for column in layout.columns if column.name not in plan.names]
    nulls = "".join(f", cast(null as {column.type}) as {column.name}" for column in absent)
    return relation.project(f"*{nulls}") if absent else relation


def _batches(
    connection: duckdb.DuckDBPyConnection, query: str, parameters: dict[str, str]
) -> Iterator[pa.RecordBatch]:
    shaped = f"""
        select
            id_type, gene_ref, attribute, item, value,
            case when list_contains($numbers, attribute) then cast(value as double) end as number
        from ({query})
        where gene_ref is not null and value is not null
    """
    relation = connection.sql(shaped, params={"numbers": _number_attributes(), **parameters})
    for batch in relation.to_arrow_reader(_BATCH_ROWS):
        yield pa.RecordBatch.from_arrays(batch.columns, schema=VALUES)


def _number_attributes() -> list[str]:
    rows = read_seed("annotation_attribute")
    return sorted({row["attribute"] for row in rows if row["is_number"] == "1"})


@contextlib.contextmanager
def _named_line_errors(path: Path) -> Iterator[None]:
    """Raise UserError 54501 for a line or a compressed file that DuckDB cannot read."""
    try:
        yield
    except (duckdb.InvalidInputException, duckdb.ConversionException, duckdb.IOException) as error:
        message = str(error)
        # Other errors of input and output are of temporary files.
        if isinstance(error, duckdb.IOException) and "GZIP" not in message:
            raise
        line = _group(r"CSV Error on Line: (\d+)", message)
        lines = message.splitlines()
        found = lines[2] if line and len(lines) > 2 else lines[0]
        raise UserError(
            "ANNOTATION_LINE_INVALID", found, file=str(path), line=int(line) if line else None
        ) from error
