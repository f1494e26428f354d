"""Any matrix in, the same matrix out of the warehouse: every value, missing ones too, at its gene,
sample and line."""

import io
import math
import string
from pathlib import Path
from typing import BinaryIO

import pytest
from conftest import examples
from dbt.adapters.duckdb.credentials import DuckDBCredentials
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from expression_warehouse.core.warehouse.base import BatchKey
from expression_warehouse.core.warehouse.duckdb import DuckDBWarehouse
from expression_warehouse.core.warehouse.matrix_rows import MatrixFile, MatrixSummary
from loader.source.download import Download
from loader.source.matrix import read_matrix
from loader.source.values import NULL_VALUES

VISIBLE = string.ascii_letters + string.digits + string.punctuation

identifiers = st.one_of(
    st.text(VISIBLE, min_size=1, max_size=50),
    st.tuples(st.sampled_from(VISIBLE), st.text(VISIBLE + " ", max_size=48), st.sampled_from(VISIBLE)).map("".join),
)  # fmt: skip
numbers = st.floats(allow_nan=False, allow_infinity=False).map(lambda x: (repr(x), x))
integers = st.integers(-(10**15), 10**15).map(lambda x: (str(x), float(x)))
missing = st.sampled_from(NULL_VALUES).map(lambda text: (text, None))
cells = st.one_of(numbers, integers, missing)


@st.composite
def matrices(draw):
    samples = draw(st.lists(identifiers, min_size=1, max_size=8, unique=True))
    # A header of numbers or missing values alone is taken for data.
    samples = ["GSM", *(s for s in samples if s != "GSM")]
    genes = draw(st.lists(identifiers, min_size=1, max_size=12, unique=True))
    values = [draw(st.lists(cells, min_size=len(samples), max_size=len(samples))) for _ in genes]
    return samples, genes, values


class OneFile(Download):
    """A download of one matrix in memory."""

    def __init__(self, content: bytes) -> None:
        super().__init__(Path("memory"), ["X/X.tsv"])
        self.content = content

    def label(self, name: str) -> str:
        return name

    def _open(self, name: str) -> BinaryIO:
        return io.BytesIO(self.content)


@pytest.fixture(scope="module")
def file_warehouse(tmp_path_factory):
    path = tmp_path_factory.mktemp("melt") / "warehouse.duckdb"
    with DuckDBWarehouse(
        DuckDBCredentials(database="warehouse", schema="main", path=str(path))
    ) as open_file:
        yield open_file


@settings(max_examples=examples(100), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    matrix=matrices(),
    newline=st.sampled_from(["\n", "\r\n"]),
    ends_with_newline=st.booleans(),
    bom=st.booleans(),
    skip=st.integers(0, 3),
    chunk_size=st.sampled_from([1, 10, 1_000_000]),
)  # fmt: skip
def test_the_matrix_comes_back(
    file_warehouse, matrix, newline, ends_with_newline, bom, skip, chunk_size
):
    samples, genes, values = matrix
    skipped = samples[1 : 1 + skip]
    lines = ["\t".join(["Gene", *samples])]
    lines += [
        "\t".join([g, *(text for text, _ in row)]) for g, row in zip(genes, values, strict=True)
    ]
    content = newline.join(lines) + (newline if ends_with_newline else "")
    source = read_matrix(
        OneFile((b"\xef\xbb\xbf" if bom else b"") + content.encode()), "X", skipped
    )
    summary = MatrixSummary(sample_count=len(source.samples))
    key = BatchKey("b", "X", MatrixFile("X.tsv", "h", 1))

    class UndoError(Exception):
        pass

    with pytest.raises(UndoError), file_warehouse.load_study() as load:
        written = load.insert_rows(key, source.melt(chunk_size, summary))
        rows = load._cursor.execute(
            "select gene_id, sample_accession_code, expression_value, line_no, study_accession_code,"
            " batch_id, file_name, file_hash from staging.expression_rows"
        ).fetchall()
        raise UndoError

    expected = {
        (gene, sample): (number, line)
        for line, (gene, row) in enumerate(zip(genes, values, strict=True), start=2)
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
