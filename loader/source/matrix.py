"""The expression matrix: one line per gene, one column per sample, streamed and melted.

Memory does not depend on the number of genes or samples: blocks of lines are read, turned into
rows (gene, sample, value, line) and yielded. Strings are dictionary-encoded, so that each gene id
and sample accession is stored once per block.
"""

import codecs
import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from expression_warehouse.core.errors import UserError
from expression_warehouse.core.warehouse.matrix_rows import ROWS, MatrixSummary
from loader.source.diagnosis import CARRIAGE_RETURN, diagnose, stray_return, without_line_end
from loader.source.download import Download
from loader.source.values import IDENTIFIER, NULL_VALUES, NUMBER

# Approximate size of a value as text; only the size of the blocks depends on it.
_BYTES_PER_VALUE = 9


@dataclass
class Matrix:
    """One study's matrix within a download.

    header        the samples of all columns, in the file's order
    samples       the samples to load: all but skip_samples
    is_cut_off    whether the last line read had no line end; known after `melt`
    """

    download: Download
    name: str
    header: list[str]
    skip_samples: Collection[str] = ()
    samples: list[str] = field(init=False)
    is_cut_off: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self.samples = [name for name in self.header if name not in self.skip_samples]

    @property
    def label(self) -> str:
        """How the user knows the file."""
        return self.download.label(self.name)

    def melt(self, chunk_size: int, summary: MatrixSummary) -> Iterator[pa.RecordBatch]:
        """Yield the matrix as record batches of the schema ROWS, about `chunk_size` rows each,
        and add each to `summary`.

        Within a record batch the rows of a sample are consecutive. Raises UserError, with file and
        line, for the faults in `diagnose` and for a gene on two lines (2005).
        """
        names = pa.array(self.samples)
        first_lines: dict[str, int] = {}
        line = 2
        with self.download.open(self.name) as file:
            for block in self._blocks(file, chunk_size):
                genes, columns = block.column(0), block.columns[1:]
                self._check_genes(genes, line, first_lines)
                values = pa.concat_arrays(columns)
                self._check_finite(values)
                summary.add(len(genes), values)
                yield _melt_block(genes, names, values, line)
                line += len(genes)
        if line == 2:
            raise UserError(
                "EXTRACTION_INVALID_FORMAT",
                "there is no gene after the header",
                file=self.label,
                line=2,
                expected="one line per gene",
            )

    def _blocks(self, file: BinaryIO, chunk_size: int) -> Iterator[pa.RecordBatch]:
        """Blocks of whole lines. pyarrow's streaming reader would read 32 blocks ahead, which needs
        more memory than everything else."""
        file.readline()
        while block := file.read(chunk_size * _BYTES_PER_VALUE):
            lines = block + file.readline()
            self.is_cut_off = not lines.endswith((b"\n", b"\r"))
            yield self._parse(lines)

    def _parse(self, lines: bytes) -> pa.RecordBatch:
        if misread := _misread(lines):
            raise diagnose(self.download, self.name, self.header, reason=misread)
        keep = [str(i) for i, name in enumerate(self.header) if name not in self.skip_samples]
        try:
            table = pyarrow.csv.read_csv(
                pa.BufferReader(lines),
                read_options=pyarrow.csv.ReadOptions(
                    column_names=["gene", *map(str, range(len(self.header)))],
                    block_size=len(lines),
                ),
                parse_options=pyarrow.csv.ParseOptions(
                    delimiter="\t", quote_char=False, ignore_empty_lines=False
                ),
                convert_options=pyarrow.csv.ConvertOptions(
                    column_types={"gene": pa.string(), **dict.fromkeys(keep, pa.float64())},
                    include_columns=["gene", *keep],
                    null_values=NULL_VALUES,
                    strings_can_be_null=False,
                ),
            )
        except pa.ArrowInvalid as error:
            raise diagnose(self.download, self.name, self.header, reason=str(error)) from error
        (block,) = table.combine_chunks().to_batches()
        return block

    def _check_genes(self, genes: pa.Array, line: int, first_lines: dict[str, int]) -> None:
        for offset, gene in enumerate(genes.to_pylist()):
            if not IDENTIFIER.fullmatch(gene):
                raise diagnose(self.download, self.name, self.header, reason=f"gene id {gene!r}")
            if gene in first_lines:
                raise UserError(
                    "VALIDATION_DUPLICATE_GENES",
                    f"gene {gene} is already on line {first_lines[gene]}",
                    file=self.label,
                    line=line + offset,
                    expected="one line per gene",
                )
            first_lines[gene] = line + offset

    def _check_finite(self, values: pa.Array) -> None:
        """A finite sum excludes infinities and NaN; otherwise check each value."""
        total = pc.sum(values).as_py()
        if total is None or math.isfinite(total):
            return
        if not pc.all(pc.is_finite(values)).as_py():
            raise diagnose(self.download, self.name, self.header, reason="a value is not finite")


def _misread(lines: bytes) -> str | None:
    """A fault that pyarrow would ignore: it drops a byte order mark before a block, and ends a line
    at any carriage return."""
    if lines.startswith(codecs.BOM_UTF8):
        return "there is a byte order mark within the file"
    ends = lines.count(b"\r\n") + lines.endswith(b"\r") if b"\r" in lines else 0
    if lines.count(b"\r") > ends:
        return "there is a carriage return within a line"
    return None


def _melt_block(genes: pa.Array, samples: pa.Array, values: pa.Array, line: int) -> pa.RecordBatch:
    """genes (g), samples (s), values (s × g, sample by sample) → s·g rows."""
    g, s = len(genes), len(samples)
    gene_codes = np.tile(np.arange(g, dtype=np.int32), s)
    sample_codes = np.repeat(np.arange(s, dtype=np.int32), g)
    lines = np.tile(np.arange(line, line + g, dtype=np.int64), s)
    return pa.record_batch(
        [
            pa.DictionaryArray.from_arrays(gene_codes, genes),
            pa.DictionaryArray.from_arrays(sample_codes, samples),
            values,
            pa.array(lines),
        ],
        schema=ROWS,
    )


def read_matrix(download: Download, accession: str, skip_samples: Collection[str] = ()) -> Matrix:
    """Find a study's matrix and read its header.

    Raises UserError with file and line: 1001 no such file, or an empty one; 1002 no header, no
    sample column, or a stray carriage return; 1003 not UTF-8; 2004 a sample twice; 2006 an invalid
    sample accession.
    """
    name = download.matrix(accession)
    label = download.label(name)
    with download.open(name) as file:
        raw = file.readline()
    if not raw:
        raise UserError("EXTRACTION_FILE_NOT_FOUND", "the file is empty", file=label)
    try:
        text = without_line_end(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise UserError(
            "EXTRACTION_ENCODING_ERROR",
            f"byte {error.start + 1} of the line is not UTF-8",
            file=label,
            line=1,
        ) from error
    if CARRIAGE_RETURN in text:
        raise stray_return(text, label, 1)
    header = text.split("\t")[1:]
    if not header:
        raise UserError(
            "EXTRACTION_INVALID_FORMAT",
            "the header has one column" if text else "the header is empty",
            file=label,
            line=1,
            expected="'Gene' and the sample accessions, separated by tabs",
        )
    if all(NUMBER.fullmatch(cell) or cell in NULL_VALUES for cell in header):
        raise UserError(
            "EXTRACTION_INVALID_FORMAT",
            "the file starts with values: there is no header",
            file=label,
            line=1,
            expected="'Gene' and the sample accessions, separated by tabs",
        )
    columns: dict[str, int] = {}
    for column, sample in enumerate(header, start=2):
        if not IDENTIFIER.fullmatch(sample):
            raise UserError(
                "VALIDATION_INVALID_IDENTIFIER",
                f"column {column} has the sample accession {sample!r}",
                file=label,
                line=1,
                expected="1 to 50 ASCII characters, no blank at either end",
            )
        if sample in columns:
            raise UserError(
                "VALIDATION_DUPLICATE_SAMPLES",
                f"sample {sample} is in columns {columns[sample]} and {column}",
                file=label,
                line=1,
                expected="one column per sample",
            )
        columns[sample] = column
    return Matrix(download, name, header, skip_samples)
