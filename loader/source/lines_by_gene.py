"""The lines of a file, asked for by gene in the order of another file."""

import contextlib
import json
import tempfile
from collections.abc import Iterator
from typing import Any

from expression_warehouse.core.errors import UserError

# The number of a line, its gene id, its values.
Row = tuple[int, str, list[str]]


class LinesByGene:
    """Lines in the order that they are asked for are streamed. From the first that is not, the rest
    is kept in a temporary file, so that memory has one number per gene whatever the samples.

    Closing it deletes that file. Raises UserError 1002 if an id that is out of order has two lines.
    """

    def __init__(self, rows: Iterator[Row], label: str) -> None:
        self._rows = rows
        self._label = label
        self._places: dict[str, int] | None = None
        self._stack = contextlib.ExitStack()
        self._file: Any = None

    def __enter__(self) -> "LinesByGene":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def take(self, gene: str) -> Row | None:
        """The line of a gene, once; None if the file lacks it."""
        if self._places is None:
            row = next(self._rows, None)
            if row and row[1] == gene:
                return row
            self._places = self._keep(row)
        place = self._places.pop(gene, None)
        return None if place is None else self._read(place)

    def left(self) -> Row | None:
        """The first line that nobody asked for."""
        if self._places is None:
            return next(self._rows, None)
        return self._read(min(self._places.values())) if self._places else None

    def _keep(self, first: Row | None) -> dict[str, int]:
        """Write what is left, from the line `first`, to the temporary file; gene → its place."""
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 (closed by the stack)
        self._stack.callback(self._file.close)
        places: dict[str, int] = {}
        row = first
        while row:
            number, gene, _ = row
            if gene in places:
                earlier = self._read(places[gene])
                raise UserError(
                    "EXTRACTION_INVALID_FORMAT",
                    f"the files of the study have their genes in different orders, and gene {gene} "
                    f"is on lines {earlier[0]} and {number}",
                    file=self._label,
                    line=number,
                    expected="the genes in one order in all files, or one line per gene",
                )
            places[gene] = self._file.tell()
            self._file.write(f"{json.dumps(row)}\n".encode("ascii"))
            row = next(self._rows, None)
        return places

    def _read(self, place: int) -> Row:
        self._file.seek(place)
        number, gene, values = json.loads(self._file.readline())
        return number, gene, values
