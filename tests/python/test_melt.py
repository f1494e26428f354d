"""Any matrix in, in any layout, the same matrix out of the warehouse: every value, missing ones too, at its gene,
sample and line."""

import bz2
import gzip
import io
import lzma
import math
import string
import zipfile
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pytest
from conftest import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from expression_warehouse.core.config import Limits, StudyConfig
from expression_warehouse.core.warehouse.duckdb import DuckDBWarehouse
from expression_warehouse.core.warehouse.duckdb_target import DuckDBTarget
from expression_warehouse.core.warehouse.matrix_rows import MatrixFile, MatrixSummary
from expression_warehouse.core.warehouse.numbered_rows import MatrixKeys, NumberedRows
from expression_warehouse.core.warehouse.study_load import BatchKey
from loader.source.download import Download
from loader.source.matrix import Matrix, read_matrix
from loader.source.metadata import StudyMetadata
from loader.source.text import FileText
from loader.source.values import NULL_VALUES

VISIBLE = string.ascii_letters + string.digits + string.punctuation
# Without delimiters and quotes.
NAME = "".join(character for character in VISIBLE if character not in ',;"#')

ANNOTATION = ("gene_name", "Length", "chr")
sample_names = st.text(NAME, min_size=1, max_size=50).filter(lambda name: name not in ANNOTATION)
# The first letter keeps random text from being a line that is no gene.
gene_ids = st.text(NAME, max_size=49).map(lambda text: f"g{text}")
texts = st.tuples(gene_ids, st.text(VISIBLE + " ", max_size=20)).map(
    lambda parts: "".join(parts)[:49] + "."
)
numbers = st.floats(allow_nan=False, allow_infinity=False).map(lambda x: (repr(x), x))
integers = st.integers(-(10**15), 10**15).map(lambda x: (str(x), float(x)))
missing = st.sampled_from(NULL_VALUES).map(lambda text: (text, None))
cells = st.one_of(numbers, integers, missing)


@st.composite
def matrices(draw):
    samples = draw(st.lists(sample_names, min_size=1, max_size=8, unique=True))
    # A header of numbers or missing values alone is taken for data.
    samples = ["GSM", *(s for s in samples if s != "GSM")]
    # The first line has numbers alone, and a fraction: nothing else tells what the decimal sign is.
    genes = ["ENSG1", *draw(st.lists(st.one_of(gene_ids, texts), max_size=12, unique=True))]
    values = [[("0.5", 0.5)] * len(samples)]
    values += [
        draw(st.lists(cells, min_size=len(samples), max_size=len(samples))) for _ in genes[1:]
    ]
    return samples, genes, values


@dataclass(frozen=True)
class Written:
    """How a matrix is written."""

    delimiter: str = "\t"
    decimal: str = "."
    quote: str = "never"
    is_header_short: bool = False
    is_trailing: bool = False
    preamble: str = ""
    annotation: tuple[str, ...] = ()
    blank_lines: int = 0
    encoding: str = "utf-8"
    compress: Callable[[bytes], bytes] = bytes
    newline: str = "\n"
    ends_with_newline: bool = True

    def bytes_of(self, samples: list[str], genes: list[str], values: list[list[tuple]]) -> bytes:
        header = [*([] if self.is_header_short else ["Gene"]), *self.annotation, *samples]
        lines = [self.preamble.rstrip("\n").split("\n")] if self.preamble else []
        lines = [line for block in lines for line in block]
        lines.append(self.line([self.text(name) for name in header]))
        for gene, row in zip(genes, values, strict=True):
            noted = [self.text("note" if name != "Length" else "12") for name in self.annotation]
            numbers = [text.replace(".", self.decimal) for text, _ in row]
            if self.quote == "all":
                numbers = [f'"{number}"' for number in numbers]
            lines.append(self.line([self.text(gene), *noted, *numbers]))
        end = self.newline * self.ends_with_newline + self.newline * self.blank_lines
        return self.compress((self.newline.join(lines) + end).encode(self.encoding))

    def text(self, cell: str) -> str:
        return cell if self.quote == "never" else '"' + cell.replace('"', '""') + '"'

    def line(self, cells: list[str]) -> str:
        return self.delimiter.join([*cells, *([""] if self.is_trailing else [])])


def zipped(content: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("matrix.txt", content)
    return packed.getvalue()


@st.composite
def written(draw):
    delimiter = draw(st.sampled_from("\t;, "))
    is_header_short = draw(st.booleans())
    blank_lines = draw(st.sampled_from([0, 0, 1, 3]))
    return Written(
        delimiter=delimiter,
        decimal="." if delimiter == "," else draw(st.sampled_from(".,")),
        # Ids may have delimiters and quotes in them.
        quote=draw(st.sampled_from(["texts", "all"])),
        is_header_short=is_header_short,
        is_trailing=not is_header_short and draw(st.booleans()),
        preamble=draw(st.sampled_from(["", "# made by a tool\n", "#1\n#2, 3\n"])),
        annotation=draw(st.sampled_from([(), ("gene_name",), ("Length",), ANNOTATION])),
        blank_lines=blank_lines,
        encoding=draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])),
        compress=draw(st.sampled_from([bytes, gzip.compress, bz2.compress, lzma.compress, zipped])),
        newline=draw(st.sampled_from(["\n", "\r\n"])),
        ends_with_newline=bool(blank_lines) or draw(st.booleans()),
    )


class OneFile(Download):
    """A download of one matrix in memory."""

    def __init__(self, content: bytes) -> None:
        super().__init__(Path("memory"), ["X/X.tsv"], Limits())
        self.content = content

    def label(self, name: str) -> str:
        return name

    def _open(self, name: str) -> BinaryIO:
        return io.BytesIO(self.content)

    def packed_size(self, name: str) -> int:
        return len(self.content)


def matrix_of(
    content: bytes, samples: Collection[str] = (), skipped: Collection[str] = ()
) -> Matrix:
    """The matrix of a study with these samples."""
    metadata = StudyMetadata("X", {}, {}, {sample: {} for sample in samples})
    text = FileText(OneFile(content), "X/X.tsv")
    return read_matrix(text, metadata, StudyConfig(skip_samples=list(skipped)))


@pytest.fixture(scope="module")
def file_warehouse(tmp_path_factory):
    with open_warehouse(tmp_path_factory.mktemp("melt")) as open_file:
        yield open_file


def open_warehouse(folder: Path) -> DuckDBWarehouse:
    path = str(folder / "warehouse.duckdb")
    return DuckDBWarehouse(DuckDBTarget(path))


PLAIN = st.builds(
    Written,
    encoding=st.sampled_from(["utf-8", "utf-8-sig"]),
    newline=st.sampled_from(["\n", "\r\n"]),
    ends_with_newline=st.booleans(),
)


@settings(max_examples=examples(200), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    matrix=matrices(),
    file=st.one_of(PLAIN, written()),
    skip=st.integers(0, 3),
    chunk_size=st.sampled_from([1, 10, 1_000_000]),
)  # fmt: skip
def test_the_matrix_comes_back(file_warehouse, matrix, file, skip, chunk_size):
    samples, genes, values = matrix
    skipped = samples[1 : 1 + skip]
    content = file.bytes_of(samples, genes, values)
    source = matrix_of(content, samples, skipped)
    summary = MatrixSummary(sample_count=len(source.samples))
    key = BatchKey("b", "X", MatrixFile("X.tsv", "h", 1))

    class UndoError(Exception):
        pass

    with pytest.raises(UndoError), file_warehouse.load_study() as load:
        written = load.insert_rows(key, source.melt(chunk_size, summary))
        load.put_batch(key, "2024-01-02T03:04:05", summary, "{}")
        rows = load._session.rows(
            "select gene_id, sample_accession_code, expression_value, line_no, study_accession_code,"
            " batch_id, file_name, file_hash from staging.expression_rows"
        )
        raise UndoError

    first = 2 + file.preamble.count("\n")
    expected = {
        (gene, sample): (number, line)
        for line, (gene, row) in enumerate(zip(genes, values, strict=True), start=first)
        for sample, (_, number) in zip(samples, row, strict=True)
        if sample not in skipped
    }
    assert written == len(rows) == len(expected) == summary.row_count
    assert {(row[0], row[1]): (row[2], row[3]) for row in rows} == expected
    assert {row[4:] for row in rows} == {("X", "b", "X.tsv", "h")}

    numbers_in = [number for number, _ in expected.values() if number is not None]
    assert summary.null_count == len(expected) - len(numbers_in)
    assert summary.zero_count == sum(number == 0 for number in numbers_in)
    assert summary.value_min == min(numbers_in, default=None)
    assert summary.value_max == max(numbers_in, default=None)
    assert summary.is_whole_numbers == all(number == math.floor(number) for number in numbers_in)
    assert summary.above_30_count == sum(number > 30 for number in numbers_in)
    assert (source.layout.describe() == "tab-separated") == (file.quote == "never")


def test_lines_keep_no_rows_in_memory():
    samples = [f"S{i}" for i in range(200)]
    lines = ["\t".join(["Gene", *samples]), *(f"G{i}" + "\t1.5" * 200 for i in range(100))]
    rows = matrix_of("\n".join(lines).encode(), samples).melt(
        1_000, MatrixSummary(sample_count=200)
    )
    numbered = NumberedRows(MatrixKeys())
    assert sum(batch.num_rows for batch in numbered.values(rows)) == 20_000
    # The size counts whole buffers, even if a slice is in use. A line number per row is 160,000 bytes.
    assert numbered.lines().get_total_buffer_size() < 10_000


def test_wide_matrices_have_blocks_of_many_lines():
    """Each column of a block costs time, so that short blocks would cost that of all columns again."""
    samples = [f"S{i}" for i in range(1_200)]
    lines = [
        "\t".join([f"G{line}", *(str(line * 10_000 + i) for i in range(1_200))])
        for line in range(600)
    ]
    text = "\n".join(["\t".join(["Gene", *samples]), *lines]).encode()
    blocks = list(matrix_of(text, samples).melt(1_000, MatrixSummary(sample_count=1_200)))
    assert [len(block.column("gene_id").dictionary) >= 250 for block in blocks[:-1]] == [True] * 2
    values = {
        (gene, sample, line): value
        for block in blocks
        for gene, sample, value, line in zip(
            *(column.to_pylist() for column in block.columns), strict=True
        )
    }
    assert values == {
        (f"G{line}", f"S{i}", line + 2): line * 10_000 + i
        for line in range(600)
        for i in range(1_200)
    }


def test_loads_at_the_same_time_share_no_key(tmp_path):
    """Blocks of two studies are written in turns; afterwards each value is that of its study."""

    def matrix(factor: int) -> Matrix:
        lines = ["Gene\tS1\tS2", *(f"G{i}\t{i * factor}\t{-i * factor}" for i in range(2_000))]
        return matrix_of("\n".join(lines).encode(), ["S1", "S2"])

    keys = {
        factor: BatchKey(str(factor), f"X{factor}", MatrixFile("X.tsv", "h", 1))
        for factor in (3, 5)
    }
    summaries = {factor: MatrixSummary(sample_count=2) for factor in keys}

    def load(factor: int, blocks: Iterator[pa.RecordBatch]) -> None:
        with warehouse.load_study() as loading:
            loading.insert_rows(keys[factor], blocks)
            loading.put_batch(keys[factor], "2024-01-02T03:04:05", summaries[factor], "{}")

    def with_the_other() -> Iterator[pa.RecordBatch]:
        first, *others = matrix(3).melt(1_000, summaries[3])
        assert others
        yield first
        load(5, matrix(5).melt(1_000, summaries[5]))
        yield from others

    query = """
        select study_accession_code, count(*) as n, count(distinct line_no) as lines,
            min(abs(expression_value) - (line_no - 2) * cast(batch_id as integer)) as low,
            max(abs(expression_value) - (line_no - 2) * cast(batch_id as integer)) as high,
            sum(case when (expression_value < 0) = (sample_accession_code = 'S1') then 1 else 0 end) as bad
        from {staging}.expression_rows where expression_value <> 0 group by all order by all
    """
    with open_warehouse(tmp_path) as warehouse:
        load(3, with_the_other())
        rows = warehouse.read_rows(query)
    assert [list(row.values()) for row in rows] == [
        ["X3", 3_998, 1_999, 0, 0, 0], ["X5", 3_998, 1_999, 0, 0, 0]
    ]  # fmt: skip
