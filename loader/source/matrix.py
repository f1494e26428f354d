"""The expression matrix: one line per gene, one column per sample, streamed and melted.

Memory does not depend on the number of genes or samples: blocks of lines are read, turned into
rows (gene, sample, value, line) and yielded. Strings are dictionary-encoded, so that each gene id
and sample accession is stored once per block.
"""

import codecs
import dataclasses
import math
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from expression_warehouse.core.config import StudyConfig
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.listed import counted, listed
from expression_warehouse.core.warehouse.matrix_rows import ROWS, MatrixSummary
from loader.source.diagnosis import CARRIAGE_RETURN, diagnose, stray_return
from loader.source.encoding import OTHER
from loader.source.gene_ids import GeneIds
from loader.source.layout import FEATURE_COUNTS, Layout, decide_layout, first_ids, read_head
from loader.source.metadata import StudyMetadata
from loader.source.refused import refuse_other_formats
from loader.source.sample_names import match_samples
from loader.source.symbol_hints import SymbolHints
from loader.source.text import MatrixText
from loader.source.values import IDENTIFIER, NULL_VALUES, NUMBER

# Approximate size of a value as text; only the size of the blocks depends on it.
_BYTES_PER_VALUE = 9

# A matrix with more columns than this has at least so many lines in a block, so that what each
# column of a block costs does not count: 4,000 samples load in half of the time. More values than
# this are not held for it.
_WIDE, _LINES, _MOST_VALUES = 1_000, 250, 4_000_000

_READ_SIZE = 1 << 20

# What may be a number beyond the range of doubles.
_HUGE = re.compile(rb"[0-9.][eE][+]?[0-9]{3}|[0-9]{309}")


@dataclass
class Matrix:
    """One study's matrix.

    text          what it is read from
    layout        how its lines are laid out
    skip_samples  samples that are not loaded
    refuse_duplicates  whether a gene id on two lines is an error
    renamed       column → its sample, where these differ
    names_finding 54012 if the names of columns were matched to samples
    first_ids     the gene ids of the file's first lines

    header        the samples of all columns, in the file's order
    samples       the samples to load: all but skip_samples
    is_cut_off    whether the last line read had no line end; known after `melt`
    last_line     the last line that is not empty; known after `melt`
    gene_ids      what is known of the gene ids; complete after `melt`
    sha256        hex, of the uncompressed bytes that `melt` read
    symbol_hints  symbols beside the gene ids; complete after `melt`
    """

    text: MatrixText
    layout: Layout
    skip_samples: Collection[str] = ()
    refuse_duplicates: bool = False
    renamed: dict[str, str] = field(default_factory=dict)
    names_finding: UserError | None = None
    first_ids: Sequence[str] = ()
    header: list[str] = field(init=False)
    samples: list[str] = field(init=False)
    is_cut_off: bool = field(init=False, default=False)
    last_line: int = field(init=False, default=0)
    gene_ids: GeneIds = field(init=False)
    sha256: str = field(init=False, default="")
    symbol_hints: SymbolHints = field(init=False, default_factory=SymbolHints)

    def __post_init__(self) -> None:
        self.header = [self.layout.names[column] for column in self.layout.sample_columns]
        self.samples = [name for name in self.header if name not in self.skip_samples]
        self.gene_ids = GeneIds(self.label, self.refuse_duplicates)

    @property
    def unit(self) -> str | None:
        """The unit of the values, if the format says it."""
        return "COUNTS" if self.layout.file_format == FEATURE_COUNTS else self.text.unit

    @property
    def label(self) -> str:
        """How the user knows the file."""
        return self.text.label

    def melt(self, chunk_size: int, summary: MatrixSummary) -> Iterator[pa.RecordBatch]:
        """Yield the matrix as record batches of the schema ROWS, about `chunk_size` rows each,
        and add each to `summary`. Lines that are no genes are left out and counted.

        Within a record batch the rows of a sample are consecutive. Raises UserError, with file and
        line, for the faults in `diagnose` and `GeneIds`.
        """
        names = pa.array(self.samples)
        line = self.layout.data_line
        with self.text.open() as file:
            for text, block in self._blocks(self.text.as_text(file), chunk_size):
                count = block.num_rows
                lines = np.arange(line, line + count, dtype=np.int64)
                block, lines = self._keep_genes(block, lines, text)
                line += count
                if not block.num_rows:
                    continue
                genes, columns = block.column(0), block.columns[1:]
                if self.layout.symbol_column is not None:
                    self.symbol_hints.add(genes, columns.pop(), lines)
                values, infinite_count = self._finite(pa.concat_arrays(columns), text)
                summary.infinite_count += infinite_count
                summary.add(len(genes), values)
                yield _melt_block(genes, names, values, lines)
            # The hash is of the whole file, not of the table alone.
            while file.read(_READ_SIZE):
                pass
            self.sha256 = file.sha256
        self.last_line = line - 1
        self._check_lines(line - self.layout.data_line, summary)
        self.gene_ids.check()
        summary.dropped_count = self.gene_ids.dropped.total() * summary.sample_count
        summary.gene_id_form = self.gene_ids.form
        summary.layout = self.layout.describe()

    def _check_lines(self, count: int, summary: MatrixSummary) -> None:
        layout = self.layout
        if layout.line_count is not None and layout.line_count != count:
            raise UserError(
                "EXTRACTION_INVALID_FORMAT",
                f"line 2 of the file says that it has {counted(layout.line_count, 'line')} of "
                f"values, and it has {count}",
                file=self.label,
                line=layout.data_line + count,
                action="The file may have been cut off: get it again",
            )
        if not summary.gene_count:
            raise UserError(
                "EXTRACTION_INVALID_FORMAT",
                "there is no gene after the header",
                file=self.label,
                line=layout.data_line,
                expected="one line per gene",
            )

    def _blocks(self, file: BinaryIO, chunk_size: int) -> Iterator[tuple[bytes, pa.RecordBatch]]:
        """Blocks of whole lines, as text and parsed, without empty lines at the end of the file.

        pyarrow's streaming reader would read 32 blocks ahead, which needs more memory than
        everything else.
        """
        for _ in range(self.layout.data_line - self.text.first_line):
            file.readline()
        has_ended = False
        columns, values = len(self.layout.names), chunk_size
        if columns > _WIDE:
            values = max(values, min(_LINES * columns, _MOST_VALUES))
        while block := file.read(values * _BYTES_PER_VALUE):
            lines, is_end = _without_empty_end(block + file.readline())
            if lines and has_ended:
                raise self._diagnosed("there is an empty line within the file")
            has_ended = has_ended or is_end
            if lines:
                self.is_cut_off = not lines.endswith((b"\n", b"\r"))
                yield lines, self._parse(lines)

    def _diagnosed(self, reason: str) -> UserError:
        return diagnose(self.text, self.layout, reason)

    def _parse(self, lines: bytes) -> pa.RecordBatch:
        if misread := _misread(lines):
            raise self._diagnosed(misread)
        layout = self.layout
        gene = str(layout.id_column)
        symbols = [] if layout.symbol_column is None else [str(layout.symbol_column)]
        keep = [str(i) for i in layout.sample_columns if layout.names[i] not in self.skip_samples]
        try:
            table = pyarrow.csv.read_csv(
                pa.BufferReader(lines),
                read_options=pyarrow.csv.ReadOptions(
                    column_names=[str(i) for i in range(len(layout.names))],
                    block_size=len(lines),
                ),
                parse_options=pyarrow.csv.ParseOptions(
                    delimiter=layout.delimiter,
                    # A quote may occur for the first time beyond the lines that the layout was
                    # decided from.
                    quote_char='"' if b'"' in lines else False,
                    ignore_empty_lines=False,
                ),
                convert_options=pyarrow.csv.ConvertOptions(
                    column_types={
                        **dict.fromkeys([gene, *symbols], pa.string()),
                        **dict.fromkeys(keep, pa.float64()),
                    },
                    include_columns=[gene, *keep, *symbols],
                    null_values=NULL_VALUES,
                    strings_can_be_null=False,
                    decimal_point=layout.decimal,
                ),
            )
        except pa.ArrowInvalid as error:
            raise self._diagnosed(str(error)) from error
        (block,) = table.combine_chunks().to_batches()
        return block

    def _keep_genes(
        self, block: pa.RecordBatch, lines: np.ndarray, text: bytes
    ) -> tuple[pa.RecordBatch, np.ndarray]:
        """The lines of a block that are genes, with their ids and numbers.

        text  the block as the file has it

        Raises UserError 1002 for an empty line, which pyarrow takes for one of missing values, and
        what `_check_quotes` raises.
        """
        try:
            changed, keep = self.gene_ids.add(block.column(0), int(lines[0]))
        except ValueError as error:
            raise self._diagnosed(str(error)) from error
        if keep and (b"\n\n" in text or b"\n\r\n" in text or text.startswith((b"\n", b"\r\n"))):
            raise self._diagnosed("there is an empty line within the file")
        self._check_quotes(block.column(0), text)
        if changed:
            block = block.set_column(0, block.schema.field(0), pa.array(changed, pa.string()))
        if keep:
            block, lines = block.filter(pa.array(keep)), lines[np.array(keep)]
        return block, lines

    def _check_quotes(self, genes: pa.Array, text: bytes) -> None:
        """Raises UserError 1002 for `"ENSG1,"1.5`, of which pyarrow makes the id `ENSG1,1.5`."""
        delimiter = self.layout.delimiter
        if b'"' not in text or not pc.any(pc.match_substring(genes, delimiter)).as_py():
            return
        try:
            for line in text.decode("utf-8", "surrogateescape").split("\n"):
                self.layout.cells(line.removesuffix(CARRIAGE_RETURN))
        except ValueError as error:
            raise self._diagnosed(str(error)) from error

    def _finite(self, values: pa.Array, text: bytes) -> tuple[pa.Array, int]:
        """The values with infinite ones as missing, and how many these were.

        A finite sum excludes infinities and NaN; otherwise check each value. Raises UserError 1004
        if a number in `text` is beyond the range of doubles, which pyarrow reads as infinity, and
        for texts such as nAn or -nan, which it reads as NaN and no null value is.
        """
        total = pc.sum(values).as_py()
        if total is None or math.isfinite(total):
            return values, 0
        if pc.any(pc.is_nan(values)).as_py():
            raise self._diagnosed("a value is not a number")
        is_finite = pc.is_finite(values)
        count = pc.sum(pc.invert(is_finite)).as_py()
        if count and _HUGE.search(text):
            fault = self._diagnosed("a number is beyond the range of doubles")
            if fault.line:
                raise fault
        if count:
            values = pc.if_else(is_finite, values, pa.scalar(None, pa.float64()))
        return values, count or 0


def _without_empty_end(lines: bytes) -> tuple[bytes, bool]:
    """Whole lines without the empty ones at their end, and whether there were any."""
    count = len(lines)
    while lines.endswith((b"\n\n", b"\n\r\n")):
        lines = lines[: -2 if lines.endswith(b"\r\n") else -1]
    if lines in (b"\n", b"\r\n"):
        lines = b""
    return lines, len(lines) < count


def _misread(lines: bytes) -> str | None:
    """A fault that pyarrow would ignore: it drops a byte order mark before a block, ends a line at
    any carriage return."""
    if lines.startswith(codecs.BOM_UTF8):
        return "there is a byte order mark within the file"
    ends = lines.count(b"\r\n") + lines.endswith(b"\r") if b"\r" in lines else 0
    if lines.count(b"\r") > ends:
        return "there is a carriage return within a line"
    return None


def _melt_block(
    genes: pa.Array, samples: pa.Array, values: pa.Array, lines: np.ndarray
) -> pa.RecordBatch:
    """genes and lines (g), samples (s), values (s × g, sample by sample) → s·g rows."""
    g, s = len(genes), len(samples)
    gene_codes = np.tile(np.arange(g, dtype=np.int32), s)
    sample_codes = np.repeat(np.arange(s, dtype=np.int32), g)
    return pa.record_batch(
        [
            pa.DictionaryArray.from_arrays(gene_codes, genes),
            pa.DictionaryArray.from_arrays(sample_codes, samples),
            values,
            pa.array(np.tile(lines, s)),
        ],
        schema=ROWS,
    )


def read_matrix(
    text: MatrixText,
    metadata: StudyMetadata,
    config: StudyConfig,
    other_samples: Collection[str] = (),
) -> Matrix:
    """Decide the layout of a matrix, find the samples of its columns and check its header.

    metadata       columns named like its samples are samples, whatever they hold
    other_samples  samples of other studies, whose columns are not loaded

    Raises UserError with file and line: 1001 an empty file; 1002 no header, no sample column, or a
    stray carriage return; 1003 not UTF-8; 1009 an ambiguous layout; 1011 too many columns; 1013
    another format; 2004 a sample twice; 2006 an invalid sample accession; and what `match_samples`
    raises.
    """
    label = text.label
    with text.open_text() as file:
        head = read_head(file)
    if not head:
        raise UserError("EXTRACTION_FILE_NOT_FOUND", "the file is empty", file=label)
    refuse_other_formats(head, label)
    first_line = head.split(b"\n", 1)[0].removesuffix(b"\r")
    if b"\r" in first_line:
        raise stray_return(first_line.decode("utf-8", "replace"), label, text.first_line)
    layout = decide_layout(head, {*metadata.samples, *other_samples}, label)
    if len(layout.names) > text.limits.columns:
        raise UserError(
            "EXTRACTION_LIMIT_EXCEEDED",
            f"the header has {counted(len(layout.names), 'column')}",
            file=label,
            line=layout.header_line + text.first_line - 1,
            expected=f"at most {text.limits.columns:,} (limits.columns)",
            action="Check the file; if it is right, raise limits.columns in pipeline.yaml",
        )
    names, ignored = list(layout.names), list(layout.ignored)
    ignored += [column for column in layout.sample_columns if names[column] in other_samples]
    layout = dataclasses.replace(
        layout,
        compression=text.compression,
        encoding=text.encoding,
        header_line=layout.header_line + text.first_line - 1,
        data_line=layout.data_line + text.first_line - 1,
        ignored=tuple(sorted(ignored)),
    )
    columns = layout.sample_columns
    matched = match_samples(
        [names[column] for column in columns], metadata.samples, config, metadata.accession, label
    )
    renamed = {}
    for column, sample in zip(columns, matched.samples, strict=True):
        if names[column] != sample:
            renamed[names[column]] = sample
            names[column] = sample
    layout = dataclasses.replace(layout, names=tuple(names))
    matrix = Matrix(
        text, layout, config.skip_samples, config.duplicate_genes == "refuse", renamed,
        matched.finding, list(first_ids(head, layout)),
    )  # fmt: skip
    _check_header(matrix, metadata.samples)
    return matrix


def _check_header(matrix: Matrix, known: Collection[str]) -> None:
    """known: samples of the metadata, which can be named by numbers."""
    layout, label = matrix.layout, matrix.label
    expected = "a name for the gene column and the sample accessions, separated by tabs"
    if not matrix.header:
        has_text = layout.names != ("",)
        raise UserError(
            "EXTRACTION_INVALID_FORMAT",
            "the header has one column" if has_text else "the header is empty",
            file=label,
            line=layout.header_line,
            expected=expected,
        )
    are_numbers = all(NUMBER.fullmatch(cell) or cell in NULL_VALUES for cell in matrix.header)
    if are_numbers and any(matrix.header) and not any(name in known for name in matrix.header):
        raise UserError(
            "EXTRACTION_INVALID_FORMAT",
            f"the line has numbers ({listed(matrix.header, 3)}) in place of samples: there is no "
            "header"
            + (f", or the metadata have other names ({listed(known, 3)})" if known else ""),
            file=label,
            line=layout.header_line,
            expected=expected,
        )
    columns: dict[str, int] = {}
    shift = 0 if layout.is_header_short else 1
    for column, sample in zip(layout.sample_columns, matrix.header, strict=True):
        place = column + shift
        if not sample.isascii() and layout.encoding == OTHER:
            raise UserError(
                "EXTRACTION_ENCODING_ERROR",
                f"the name of column {place} is not UTF-8",
                file=label,
                line=layout.header_line,
            )
        if not sample:
            raise UserError(
                "VALIDATION_INVALID_IDENTIFIER",
                f"column {place} has no name",
                file=label,
                line=layout.header_line,
                expected=expected,
                action="Name the column; delete lines above the header, and columns without values",
            )
        if CARRIAGE_RETURN in sample or not IDENTIFIER.fullmatch(sample):
            raise UserError(
                "VALIDATION_INVALID_IDENTIFIER",
                f"column {place} has the sample accession {sample!r}",
                file=label,
                line=layout.header_line,
                expected="1 to 50 ASCII characters, no blank at either end",
            )
        if sample in columns:
            raise UserError(
                "VALIDATION_DUPLICATE_SAMPLES",
                f"sample {sample} is in columns {columns[sample]} and {place}",
                file=label,
                line=layout.header_line,
                expected="one column per sample",
            )
        columns[sample] = place
