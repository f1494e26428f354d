"""Rows of a matrix, the file that they come from, and counts for the register."""

import math
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

_CODES = pa.dictionary(pa.int32(), pa.string())

# In a record batch, the dictionary of gene_id has an entry per line, in the order of the lines, and
# the rows of the first sample come first. All batches of a matrix have the same dictionary of
# sample_accession_code.
ROWS = pa.schema(
    [
        pa.field("gene_id", _CODES, nullable=False),
        pa.field("sample_accession_code", _CODES, nullable=False),
        pa.field("expression_value", pa.float64()),
        pa.field("line_no", pa.int64(), nullable=False),
    ]
)


# Symbols that a matrix has beside its gene ids.
SYMBOL_HINTS = pa.schema(
    [
        pa.field("line_no", pa.int64(), nullable=False),
        pa.field("gene_symbol", pa.string(), nullable=False),
    ]
)


@dataclass(frozen=True)
class MatrixFile:
    """Identity of the matrix: its name, and hash and size of its uncompressed bytes."""

    name: str
    sha256: str
    size: int


@dataclass
class MatrixSummary:
    """What the register keeps of a matrix. Zeros, range and wholeness indicate its unit.

    null_count       missing values, with the infinite ones
    above_30_count   values above 30, which logarithms hardly reach; None if nobody counted them
    dropped_count    values of lines that are no genes, which are in no other count
    layout           how the file is laid out, in one line
    gene_id_form     ENSEMBL, ENSEMBL_VERSIONED, ENTREZ, SYMBOL, MIXED or OTHER
    """

    sample_count: int
    gene_count: int = 0
    null_count: int = 0
    zero_count: int = 0
    value_min: float | None = None
    value_max: float | None = None
    is_whole_numbers: bool = True
    above_30_count: int | None = 0
    dropped_count: int = 0
    infinite_count: int = 0
    layout: str = ""
    gene_id_form: str = ""

    @property
    def row_count(self) -> int:
        return self.gene_count * self.sample_count

    @property
    def share_above_30(self) -> float | None:
        """Of the values that are neither missing nor 0; None if it is not known."""
        values = self.row_count - self.null_count - self.zero_count
        return self.above_30_count / values if values and self.above_30_count is not None else None

    def add(self, gene_count: int, values: pa.Array) -> None:
        """Add the values of one block (float64, nulls allowed)."""
        self.gene_count += gene_count
        self.null_count += values.null_count
        if values.null_count == len(values):
            return
        self.zero_count += pc.sum(pc.equal(values, 0.0)).as_py()
        extremes = pc.min_max(values).as_py()
        self.value_min = min(
            extremes["min"], math.inf if self.value_min is None else self.value_min
        )
        self.value_max = max(
            extremes["max"], -math.inf if self.value_max is None else self.value_max
        )
        above_30 = pc.sum(pc.greater(values, 30.0)).as_py()
        self.above_30_count = (self.above_30_count or 0) + above_30
        if self.is_whole_numbers:
            self.is_whole_numbers = pc.all(pc.equal(values, pc.floor(values))).as_py()
