"""One matrix of several files with the same genes: a file per sample, or parts of one study."""

import contextlib
import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, cast

from expression_warehouse.core.errors import UserError
from expression_warehouse.core.listed import counted
from loader.source.diagnosis import CARRIAGE_RETURN, stray_return, without_line_end
from loader.source.iterated import IteratedFile
from loader.source.lines_by_gene import LinesByGene, Row
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
    width          how many cells each line has
    unit           their unit, if the format says it
    """

    text: MatrixText
    names: Sequence[str]
    first_line: int
    delimiter: str
    id_column: int
    value_columns: Sequence[int]
    width: int
    unit: str | None = None

    @contextlib.contextmanager
    def rows(self) -> Iterator[Iterator[Row]]:
        """The line number, the gene id and the values of each line."""
        with self.text.open_text() as file:
            yield self._rows(file)

    @contextlib.contextmanager
    def by_gene(self) -> Iterator[LinesByGene]:
        """The lines, in any order."""
        with self.rows() as rows, LinesByGene(rows, self.text.label) as lines:
            yield lines

    def _rows(self, file: BinaryIO) -> Iterator[Row]:
        for number, line in enumerate(file, start=self.text.first_line):
            text = without_line_end(line.decode("utf-8", "surrogateescape"))
            if CARRIAGE_RETURN in text:
                raise stray_return(text, self.text.label, number)
            if number < self.first_line or not text:
                continue
            cells = self._cells(text, number)
            if len(cells) != self.width:
                raise self._unfit(f"the line has {counted(len(cells), 'column')}", number)
            yield number, cells[self.id_column], [cells[column] for column in self.value_columns]

    def _cells(self, text: str, number: int) -> list[str]:
        if '"' not in text:
            return text.split(self.delimiter)
        try:
            return next(csv.reader([text], delimiter=self.delimiter, strict=True))
        except csv.Error as error:
            raise self._unfit("a quote does not end on its line", number) from error

    def _unfit(self, found: str, number: int) -> UserError:
        return UserError(
            "EXTRACTION_INVALID_FORMAT",
            found,
            file=self.text.label,
            line=number,
            expected=f"{counted(self.width, 'column')}, as in the first line",
        )


class SideBySide(MatrixText):
    """The columns of all parts, as a plain matrix. Line numbers are those of the first part if it
    has one line before its values.

    The lines are those of the first part, in its order; the others may have their genes in any
    order. Raises UserError 1002 while it is read if one has another gene or lacks one.
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
        first, *others = self.parts
        with contextlib.ExitStack() as stack:
            rows = stack.enter_context(first.rows())
            found = [(part, stack.enter_context(part.by_gene())) for part in others]
            lines = cast(BinaryIO, IteratedFile(self._lines(rows, found)))
            yield MeasuredFile(lines, self.label, self.packed_size, self.limits)

    def as_text(self, file: MeasuredFile) -> BinaryIO:
        return file

    def _lines(
        self, first: Iterator[Row], others: Sequence[tuple[Columns, LinesByGene]]
    ) -> Iterator[bytes]:
        yield _line(["Gene", *(name for part in self.parts for name in part.names)])
        for rows in aligned(self.parts[0], first, others):
            yield _line([rows[0][1], *(value for _, _, values in rows for value in values)])


def aligned(
    first: Columns, rows: Iterator[Row], others: Sequence[tuple[Columns, LinesByGene]]
) -> Iterator[list[Row]]:
    """The line of each gene in all parts, in the order of the first.

    Raises UserError 1002 if one of the others has other genes.
    """
    expected = "the same genes in all files of a study"
    for row in rows:
        found = [row]
        for part, lines in others:
            line = lines.take(row[1])
            if line is None:
                raise UserError(
                    "EXTRACTION_INVALID_FORMAT",
                    f"the file lacks gene {row[1]}, which {first.text.label} has on line {row[0]}",
                    file=part.text.label,
                    expected=expected,
                )
            found.append(line)
        yield found
    for part, lines in others:
        if line := lines.left():
            raise UserError(
                "EXTRACTION_INVALID_FORMAT",
                f"the file has gene {line[1]}, which {first.text.label} lacks",
                file=part.text.label,
                line=line[0],
                expected=expected,
            )


def _line(cells: Sequence[str]) -> bytes:
    text = "\t".join(f'"{cell}"' if "\t" in cell else cell for cell in cells)
    return f"{text}\n".encode("utf-8", "surrogateescape")
