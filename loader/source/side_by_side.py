"""One matrix of several files with the same genes: a file per sample, or parts of one study."""

import contextlib
import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, cast

from expression_warehouse.core.errors import UserError
from loader.source.measured import MeasuredFile
from loader.source.text import MatrixText


@dataclass(frozen=True)
class Columns:
    """Columns of one file.

    names          their names in the matrix
    first_line     the number of the first line with values
    delimiter      between two cells
    id_column      the column of the gene ids, counted from 0
    value_columns  the columns of the values
    unit           their unit, if the format says it
    """

    text: MatrixText
    names: Sequence[str]
    first_line: int
    delimiter: str
    id_column: int
    value_columns: Sequence[int]
    unit: str | None = None

    @contextlib.contextmanager
    def rows(self) -> Iterator[Iterator[tuple[int, str, list[str]]]]:
        """The line number, the gene id and the values of each line."""
        with self.text.open_text() as file:
            yield self._rows(file)

    def _rows(self, file: BinaryIO) -> Iterator[tuple[int, str, list[str]]]:
        width = max(self.id_column, *self.value_columns) + 1
        for number, line in enumerate(file, start=self.text.first_line):
            text = line.decode("utf-8", "surrogateescape").rstrip("\r\n")
            if number < self.first_line or not text:
                continue
            cells = text.split(self.delimiter)
            if '"' in text:
                cells = next(csv.reader([text], delimiter=self.delimiter))
            if len(cells) < width:
                raise UserError(
                    "EXTRACTION_INVALID_FORMAT",
                    f"the line has {len(cells)} columns",
                    file=self.text.label,
                    line=number,
                    expected=f"{width} columns or more",
                )
            yield number, cells[self.id_column], [cells[column] for column in self.value_columns]


class SideBySide(MatrixText):
    """The columns of all parts, as a plain matrix. Line numbers are those of the first part if it
    has one line before its values.

    Raises UserError 1002 while it is read if the parts do not list the same genes in one order.
    """

    def __init__(self, label: str, name: str, parts: Sequence[Columns]) -> None:
        self.label = label
        self.name = name
        self.parts = parts
        self.limits = parts[0].text.limits
        self.packed_size = sum(part.text.packed_size for part in parts)
        units = {part.unit for part in parts}
        self.unit = units.pop() if len(units) == 1 else None

    @contextlib.contextmanager
    def open(self) -> Iterator[MeasuredFile]:
        with contextlib.ExitStack() as stack:
            opened = [stack.enter_context(part.rows()) for part in self.parts]
            lines = cast(BinaryIO, _Lines(self._lines(opened)))
            yield MeasuredFile(lines, self.label, self.packed_size, self.limits)

    def as_text(self, file: MeasuredFile) -> BinaryIO:
        return file

    def _lines(self, opened: Sequence[Iterator[tuple[int, str, list[str]]]]) -> Iterator[bytes]:
        header = ["Gene", *(name for part in self.parts for name in part.names)]
        yield _line(header)
        first, *others = opened
        for number, gene, values in first:
            cells = [gene, *values]
            for part, rows in zip(self.parts[1:], others, strict=True):
                other_number, other_gene, other_values = next(rows, (None, None, []))
                if other_gene != gene:
                    raise self._unequal(part, other_number, other_gene, number, gene)
                cells += other_values
            yield _line(cells)
        for part, rows in zip(self.parts[1:], others, strict=True):
            if row := next(rows, None):
                raise self._unequal(part, row[0], row[1], None, None)

    def _unequal(
        self,
        part: Columns,
        number: int | None,
        gene: str | None,
        line: int | None,
        first: str | None,
    ) -> UserError:
        there = f"gene {gene} on this line" if gene is not None else "no more lines"
        here = f"gene {first} on line {line}" if first is not None else "no more lines"
        return UserError(
            "EXTRACTION_INVALID_FORMAT",
            f"the file has {there}, and {self.parts[0].text.label} has {here}",
            file=part.text.label,
            line=number,
            expected="the same genes in the same order in all files of a study",
        )


def _line(cells: Sequence[str]) -> bytes:
    text = "\t".join(f'"{cell}"' if "\t" in cell else cell for cell in cells)
    return f"{text}\n".encode("utf-8", "surrogateescape")


class _Lines(io.RawIOBase):
    """The bytes of lines."""

    def __init__(self, lines: Iterator[bytes]) -> None:
        self._lines = lines
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if not self._left:
            self._left = next(self._lines, b"")
        count = min(len(buffer), len(self._left))
        buffer[:count] = self._left[:count]
        self._left = self._left[count:]
        return count
