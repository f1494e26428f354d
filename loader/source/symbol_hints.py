"""Symbols that a matrix has beside its gene ids, for genes to which the annotation gives none."""

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from expression_warehouse.core.warehouse.matrix_rows import SYMBOL_HINTS
from loader.source.gene_ids import is_symbol


@dataclass
class SymbolHints:
    """Collects them, block by block."""

    _lines: list[int] = field(default_factory=list)
    _symbols: list[str] = field(default_factory=list)

    def add(self, genes: pa.Array, symbols: pa.Array, lines: np.ndarray) -> None:
        """Take the symbols of consecutive lines. A cell that repeats the id, or is no symbol, is
        left out: nf-core writes the id if it knows no name."""
        cells = zip(genes.to_pylist(), symbols.to_pylist(), lines.tolist(), strict=True)
        for gene, symbol, line in cells:
            if symbol != gene and is_symbol(symbol):
                self._lines.append(line)
                self._symbols.append(symbol)

    def table(self) -> pa.Table:
        """All of them: the line and its symbol."""
        return pa.table([self._lines, self._symbols], schema=SYMBOL_HINTS)
