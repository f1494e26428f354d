"""Rows of a CSV file with their lines."""

import contextlib
import csv
import functools
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from expression_warehouse.core.errors import UserError
from expression_warehouse.core.files import unreadable
from expression_warehouse.core.listed import counted
from loader.delimiter import likeliest_delimiter
from loader.source.compression import (
    DAMAGED,
    UnreadableContentError,
    compression_of,
    decompressed,
)
from loader.source.refused import refuse_other_formats

_CHUNK_ROWS = 10_000
_HEAD_SIZE = 1 << 16

DELIMITERS = ",\t;"


class CsvFile:
    """A CSV file in UTF-8, with commas, tabs or semicolons between its cells.

    Reading raises UserError with file and line: 1003 not UTF-8; 1004 broken quotes; 1007
    unreadable.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.label = str(path)

    def sha256(self) -> str:
        """Hex, of the file's bytes as they are now."""
        try:
            with self.path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise unreadable(self.label, error) from error

    def refuse_other_formats(self) -> None:
        """Raises UserError 1002 for an Excel workbook or a compressed file, 1013 for another known
        format, and 1007 if the file is unreadable."""
        try:
            with self.path.open("rb") as file, contextlib.ExitStack() as stack:
                head = file.read(_HEAD_SIZE)
                file.seek(0)
                found = _packed(file, stack)
        except OSError as error:
            raise unreadable(self.label, error) from error
        if found:
            raise UserError(
                "EXTRACTION_INVALID_FORMAT",
                found,
                file=self.label,
                expected="a CSV file: text, not compressed",
                action="Save the table as CSV (UTF-8), or unpack the file",
            )
        refuse_other_formats(head, self.label)

    @functools.cached_property
    def _delimiter(self) -> str:
        with self.path.open(encoding="utf-8-sig", errors="replace", newline="") as text:
            return likeliest_delimiter(text.readline(), DELIMITERS)

    def header(self) -> list[str] | None:
        """The cells of the first row; None for an empty file."""
        first = next(self._rows(), None)
        return first[1] if first else None

    def chunks(
        self, width: int, columns: Sequence[int]
    ) -> Iterator[tuple[list[int], list[list[str]]]]:
        """Rows after the header, some thousands at a time: the numbers of their lines, and the
        cells of these columns.

        Raises UserError 1002 at the first row without `width` cells, after the rows before it.
        """
        lines: list[int] = []
        rows: list[list[str]] = []
        fault = None
        source = self._rows()
        next(source)
        while fault is None:
            try:
                line, row = next(source)
            except StopIteration:
                break
            except UserError as error:
                fault = error
                break
            if len(row) != width:
                fault = self._wrong_width(line, row, width)
                break
            lines.append(line)
            rows.append([row[column] for column in columns])
            if len(rows) == _CHUNK_ROWS:
                yield lines, rows
                lines, rows = [], []
        # The rows before the fault can have faults of their own, which come first.
        if rows:
            yield lines, rows
        if fault:
            raise fault

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        """Each row with the line that it starts on; a quoted cell can span several lines."""
        # An ignored column can be of any length.
        csv.field_size_limit(2**31 - 1)
        line = 1
        try:
            with self.path.open(encoding="utf-8-sig", newline="") as text:
                reader = csv.reader(text, strict=True, delimiter=self._delimiter)
                for row in reader:
                    yield line, row
                    line = reader.line_num + 1
        except csv.Error as error:
            raise UserError(
                "EXTRACTION_PARSE_ERROR",
                f"the row is not valid CSV: {error}",
                file=self.label,
                line=line,
                expected='cells in "…" if they contain a comma, tab, semicolon or line break',
                action="Correct the quotes of the row",
            ) from error
        except UnicodeDecodeError as error:
            raise self._not_utf8() from error
        except OSError as error:
            raise unreadable(self.label, error) from error

    def _wrong_width(self, line: int, row: list[str], width: int) -> UserError:
        return UserError(
            "EXTRACTION_INVALID_FORMAT",
            f"the row has {counted(len(row), 'cell')}" if row else "an empty line",
            file=self.label,
            line=line,
            expected=f"{width} cells, as in the header",
            action="Correct the line named",
        )

    def _not_utf8(self) -> UserError:
        """The error with its line. The decoder reads ahead of the rows, so search line by line."""
        with self.path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                try:
                    line.decode("utf-8")
                except UnicodeDecodeError as error:
                    found = f"byte {error.start + 1} of the line is not UTF-8"
                    return UserError(
                        "EXTRACTION_ENCODING_ERROR", found, file=self.label, line=number
                    )
        return UserError("EXTRACTION_ENCODING_ERROR", "the end is cut off", file=self.label)


def _packed(file: BinaryIO, stack: contextlib.ExitStack) -> str | None:
    """What a file is that a program must unpack or convert first; None for any other file."""
    try:
        decompressed(file, stack)
    except (UnreadableContentError, *DAMAGED) as error:
        return str(error)
    compression = compression_of(file)
    return f"this is compressed with {compression}" if compression else None
