"""Rows of a matrix as DuckDB stores them (macros/dialect/expression_rows.sql): values under the
keys of their line and sample."""

import threading
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

VALUES = pa.schema(
    [
        pa.field("line_key", pa.int32(), nullable=False),
        pa.field("sample_key", pa.int32(), nullable=False),
        pa.field("expression_value", pa.float64()),
    ]
)


class MatrixKeys:
    """Keys that no line or sample of the warehouse has yet. Threads share it; no other process
    writes the warehouse meanwhile.

    highest_line, highest_sample  keys that the warehouse has
    """

    def __init__(self, highest_line: int = 0, highest_sample: int = 0) -> None:
        self._highest = {"line": highest_line, "sample": highest_sample}
        self._lock = threading.Lock()

    def take(self, kind: str, count: int) -> int:
        """Take `count` consecutive keys of kind 'line' or 'sample'; return the first."""
        with self._lock:
            first = self._highest[kind] + 1
            self._highest[kind] += count
        return first


class NumberedRows:
    """The rows of one matrix, of the schema matrix_rows.ROWS, with keys for lines and samples."""

    def __init__(self, keys: MatrixKeys) -> None:
        self._keys = keys
        self._lines: list[pa.RecordBatch] = []
        self._samples: pa.Array = pa.array([], pa.string())
        self._first_sample = 0

    def values(self, rows: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The rows, of the schema VALUES."""
        for batch in rows:
            genes, samples = batch.column("gene_id"), batch.column("sample_accession_code")
            if not self._lines:
                self._samples = samples.dictionary
                self._first_sample = self._keys.take("sample", len(self._samples))
            count = len(genes.dictionary)
            first_line = self._keys.take("line", count)
            # A copy: a slice would keep the line numbers of all rows in memory.
            line_no = pa.array(batch.column("line_no").to_numpy()[:count].copy())
            self._lines.append(
                _keyed("line", first_line, line_no=line_no, gene_id=genes.dictionary)
            )
            yield pa.record_batch(
                [
                    pc.add_checked(genes.indices, pa.scalar(first_line, pa.int32())),
                    pc.add_checked(samples.indices, pa.scalar(self._first_sample, pa.int32())),
                    batch.column("expression_value"),
                ],
                schema=VALUES,
            )

    def lines(self) -> pa.Table:
        """line_key, line_no and gene_id of the lines; complete after `values`."""
        return pa.Table.from_batches(self._lines)

    def samples(self) -> pa.RecordBatch:
        """sample_key and sample_accession_code; complete after `values`."""
        return _keyed("sample", self._first_sample, sample_accession_code=self._samples)


def _keyed(kind: str, first: int, **columns: pa.Array) -> pa.RecordBatch:
    count = len(next(iter(columns.values())))
    keys = pa.array(range(first, first + count), pa.int32())
    return pa.record_batch({f"{kind}_key": keys, **columns})
