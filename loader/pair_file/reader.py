"""A CSV of pair metrics that were computed elsewhere, read and checked in batches."""

import functools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from expression_warehouse.core import signals
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.genes import GeneNames
from expression_warehouse.core.listed import listed
from expression_warehouse.core.technology import TECHNOLOGIES
from loader.pair_file.checks import (
    RowChecks,
    is_organism,
    no_technology,
    organism_word,
    technology_word,
)
from loader.pair_file.csv_rows import CsvFile
from loader.pair_file.metrics import CSV_OVERRIDE, metrics, orders
from loader.pair_file.pair_id import has_form_of_pair_id
from loader.source.batch import pair_batch_id

_CELL_SHOWN = 60


class PairFile:
    """An open CSV of pair metrics for one disease.

    technology  for rows without one of their own
    organism    for rows without one of their own; None: that of the slices
    ignored     columns that are no metric, as the header writes them
    sha256      hex, of its bytes
    no_values   rows read so far that were left out, since each of their metrics is missing

    Its genes are a column pair_id (two gene keys), or gene_a and gene_b (symbols or ids).

    Raises UserError with file and line: 1001 no such file, or an empty one; 1002 no text, no
    header, no genes, no metric, or a column twice; 1003 not UTF-8; 1004 broken quotes; 1007
    unreadable; 1013 a known format that is no CSV; 54030 no technology, or an organism that is no
    name.
    """

    def __init__(
        self,
        path: Path,
        disease: str,
        technology: str | None = None,
        organism: str | None = None,
    ) -> None:
        self.label = str(path)
        self.name = path.name
        self.no_values = 0
        self._csv = CsvFile(path)
        self._disease = disease
        self._technology = technology_word(technology) if technology else None
        self._organism = organism_word(organism) if organism is not None else None
        if not path.is_file():
            raise self._no_file("there is no such file")
        if self._technology not in (None, *TECHNOLOGIES):
            raise UserError(
                "CONFIG_INVALID",
                f"the technology is {technology!r}",
                expected=f"one of {', '.join(TECHNOLOGIES)}",
                action="Correct --technology",
            )
        if self._organism is not None and not is_organism(self._organism):
            raise UserError(
                "CONFIG_INVALID",
                f"the organism is {organism!r}",
                expected="a name as MUS_MUSCULUS",
                action="Correct --organism",
            )
        self._csv.refuse_other_formats()
        # Before the header is read, so that a file that changes from then on is noticed.
        self.sha256 = self._csv.sha256()
        header = self._csv.header()
        if header is None:
            raise self._no_file("the file is empty")
        self._width = len(header)
        self._columns = self._read_header(header)
        read = self._columns.values()
        self.ignored = [cell for index, cell in enumerate(header) if index not in read]
        self._metrics = [metric for name, metric in metrics().items() if name in self._columns]
        if not self._metrics:
            raise self._bad_header(f"no column is a metric; {_columns_found(header)}")
        if self._technology is None and "technology" not in self._columns:
            raise no_technology(self.label, 1)

    def check_unchanged(self) -> None:
        """Raise UserError 1010 if the file is no longer the one whose hash was taken."""
        if self._csv.sha256() != self.sha256:
            raise UserError(
                "EXTRACTION_FILE_CHANGED", "the file changed while it was read", file=self.label
            )

    @property
    def has_gene_names(self) -> bool:
        """Whether the file names genes by symbol or id, in gene_a and gene_b, not by pair_id."""
        return "pair_id" not in self._columns

    @property
    def metric_names(self) -> list[str]:
        """The metrics that the file has."""
        return [metric.name for metric in self._metrics]

    @property
    def schema(self) -> pa.Schema:
        """Schema of the batches, with the names of staging.pair_metrics."""
        return pa.schema(
            [
                pa.field("batch_id", pa.string()),
                pa.field("disease_label", pa.string()),
                pa.field("technology", pa.string()),
                pa.field("organism", pa.string()),
                pa.field("gene_a_key", pa.int32()),
                pa.field("gene_b_key", pa.int32()),
                pa.field("csv_override", pa.bool_()),
                *(pa.field(metric.name, metric.type) for metric in self._metrics),
                pa.field("line_no", pa.int64()),
            ]
        )

    def batches(
        self, genes: np.ndarray | GeneNames, organisms: Mapping[str, Sequence[str]]
    ) -> Iterator[pa.RecordBatch]:
        """The rows, checked, in the file's order, without those that have no value.

        genes      the keys of dim_gene; of a file with gene names, these
        organisms  technology → organisms of the disease's slices

        Raises UserError for the first line that is wrong: 1002 another number of cells, or no
        value in any line, 1003 not UTF-8, 1004 no number, 4004 a number out of bounds, 54030 an
        organism that could be several, 54200 an unknown gene, 54201 no pair id, 54202 a name of
        several genes. Raises Stopped if a signal came.
        """
        line, taken = 1, 0
        for lines, rows in self._csv.chunks(self._width, list(self._columns.values())):
            signals.check()
            columns = dict(zip(self._columns, zip(*rows, strict=True), strict=True))
            batch = _with_values(self._read(lines, columns, genes, organisms), self.metric_names)
            self.no_values += len(lines) - batch.num_rows
            taken += batch.num_rows
            line = lines[-1]
            if batch.num_rows:
                yield batch
        if not taken:
            raise UserError(
                "EXTRACTION_INVALID_FORMAT",
                "there is no pair after the header" if line == 1 else "no pair has a value",
                file=self.label,
                line=2,
                expected="one line per pair, with the value of a metric",
                action="Write the pairs and their values below the header",
            )

    def _read_header(self, header: list[str]) -> dict[str, int]:
        """Column to read -> its index."""
        names = [cell.strip().lower() for cell in header]
        if "pair_id" not in names and not {"gene_a", "gene_b"} <= set(names):
            raise self._bad_header(_without_genes(header))
        genes = ("pair_id",) if "pair_id" in names else ("gene_a", "gene_b")
        columns: dict[str, int] = {}
        for index, name in enumerate(names):
            if name in columns:
                raise self._bad_header(f"{name} is columns {columns[name] + 1} and {index + 1}")
            if name in (*genes, "technology", "organism", CSV_OVERRIDE.name, *metrics()):
                columns[name] = index
        return columns

    def _no_file(self, found: str) -> UserError:
        return UserError(
            "EXTRACTION_FILE_NOT_FOUND",
            found,
            file=self.label,
            action="Name an existing CSV of pair metrics",
        )

    def _bad_header(self, found: str) -> UserError:
        return UserError(
            "EXTRACTION_INVALID_FORMAT",
            found,
            file=self.label,
            line=1,
            expected="pair_id (or gene_a and gene_b) and columns of fact_gene_pair_metrics, such "
            f"as {', '.join(list(metrics())[:3])}, with commas, tabs or semicolons between them",
            action="Correct the header",
        )

    def _read(
        self,
        lines: list[int],
        columns: dict[str, tuple[str, ...]],
        genes: np.ndarray | GeneNames,
        organisms: Mapping[str, Sequence[str]],
    ) -> pa.RecordBatch:
        """One batch from the cells of each column; raises the fault with the lowest line."""
        checks = RowChecks(self.label, lines)
        technologies = checks.technologies(columns.get("technology"), self._technology)
        of_rows = checks.organisms(columns.get("organism"), self._organism, technologies, organisms)
        if isinstance(genes, GeneNames):
            gene_a, gene_b = checks.named_pairs(
                columns["gene_a"], columns["gene_b"], genes, of_rows
            )
        else:
            gene_a, gene_b = checks.pairs(columns["pair_id"], genes)
        override = np.zeros(len(lines))
        if CSV_OVERRIDE.name in columns:
            override = np.nan_to_num(checks.numbers(CSV_OVERRIDE, columns[CSV_OVERRIDE.name]))
        values = {
            metric.name: checks.numbers(metric, columns[metric.name]) for metric in self._metrics
        }
        for low, high in orders():
            if low in values and high in values:
                checks.order(low, high, values)
        checks.raise_first()

        slices = list(zip(map(str, technologies), of_rows, strict=True))
        ids = {slice_: pair_batch_id(self.sha256, self._disease, *slice_) for slice_ in set(slices)}
        return pa.record_batch(
            [
                pa.array([ids[slice_] for slice_ in slices], pa.string()),
                pa.array([self._disease] * len(lines), pa.string()),
                pa.array(technologies, pa.string()),
                pa.array(of_rows, pa.string()),
                pa.array(gene_a, pa.int32()),
                pa.array(gene_b, pa.int32()),
                pa.array(override == 1),
                *(
                    pa.array(values[metric.name], from_pandas=True).cast(metric.type)
                    for metric in self._metrics
                ),
                pa.array(lines, pa.int64()),
            ],
            schema=self.schema,
        )


def _with_values(batch: pa.RecordBatch, names: Sequence[str]) -> pa.RecordBatch:
    """The rows with a value in at least one of the columns named."""
    has_value = [batch.column(name).is_valid() for name in names]
    return batch.filter(functools.reduce(pc.or_, has_value))


def _without_genes(header: Sequence[str]) -> str:
    """What a header is that has no columns of genes."""
    if not header:
        return "the header is empty"
    if any(has_form_of_pair_id(cell.strip()) for cell in header):
        return "the file starts with values: there is no header"
    return f"the header has neither pair_id nor gene_a and gene_b; {_columns_found(header)}"


def _columns_found(header: Sequence[str]) -> str:
    """The columns of a header, for a message."""
    cells = [cell.strip()[:_CELL_SHOWN] for cell in header]
    if len(cells) == 1:
        return f"its only column is {cells[0]!r}"
    return f"its columns are {listed([cell or 'one without a name' for cell in cells])}"
