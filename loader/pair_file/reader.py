"""A CSV of pair metrics that were computed elsewhere, read and checked in batches.

Which metrics there are, and their types and bounds, is in macros/study/pair_metric_columns.sql.
"""

import csv
import functools
import hashlib
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from expression_warehouse.core.errors import UserError
from expression_warehouse.core.warehouse.macros import project_macros
from loader.source.batch import pair_batch_id
from loader.source.values import NULL_VALUES, NUMBER

TECHNOLOGIES = ("RNA-SEQ", "MICROARRAY", "OTHER")

# Python reads integers of some thousands of digits only.
_PAIR_ID = re.compile(r"([0-9]{1,1000})_([0-9]{1,1000})")
_NOT_FINITE = re.compile(r"[+-]?(?:inf|infinity)", re.IGNORECASE)
_CHUNK_ROWS = 10_000
_GENE_KEY_MAX = 2**31 - 1


@dataclass(frozen=True)
class Metric:
    """A metric that a file may give, and the values it can have."""

    name: str
    is_whole: bool = False
    least: float = -math.inf
    greatest: float = math.inf

    @property
    def type(self) -> pa.DataType:
        return pa.int32() if self.is_whole else pa.float64()

    @property
    def expected(self) -> str:
        """In words."""
        number = "a whole number" if self.is_whole else "a finite number"
        if self.greatest < math.inf:
            return f"{number} from {self.least:g} to {self.greatest:.0f}"
        return f"{number} of {self.least:g} or more" if self.least > -math.inf else number


@functools.cache
def metrics() -> dict[str, Metric]:
    """All metrics by name, in the order of the fact."""
    lines = project_macros("duckdb").pair_metric_columns().split("\n")
    found = (
        Metric(
            name,
            sql_type == "integer",
            -math.inf if least == "-" else float(least),
            math.inf if greatest == "-" else float(greatest),
        )
        for name, sql_type, least, greatest in (line.split() for line in lines if line)
    )
    return {metric.name: metric for metric in found}


@functools.cache
def orders() -> list[list[str]]:
    """Two metrics each, of which the first is never above the second."""
    lines = project_macros("duckdb").pair_metric_orders().split("\n")
    return [line.split() for line in lines if line]


CSV_OVERRIDE = Metric("csv_override", is_whole=True, least=0, greatest=1)


def parse_pair_id(text: str) -> tuple[int, int] | None:
    """The two gene keys, the smaller first; nothing where the text is no id of two genes.

    '345_12'  ->  (12, 345)
    """
    match = _PAIR_ID.fullmatch(text)
    if not match:
        return None
    first, second = map(int, match.groups())
    return (min(first, second), max(first, second)) if first != second else None


def _shown(cell: str) -> str:
    """For a message. A quote that is not closed where it should be makes a cell of many lines."""
    return repr(cell if len(cell) <= 60 else f"{cell[:60]}…")


def _technology_word(text: str) -> str:
    """As the warehouse writes it: 'rna_seq' -> 'RNA-SEQ'."""
    return text.strip().upper().replace("_", "-")


class PairFile:
    """An open CSV of pair metrics for one disease.

    technology  for rows without one of their own
    ignored     columns that are no metric, as the header writes them

    Raises UserError with file and line: 1001 no such file, or an empty one; 1002 no header, or
    none with pair_id, or a column twice; 1003 not UTF-8; 1004 broken quotes; 1007 unreadable;
    54030 nothing says the technology.
    """

    def __init__(self, path: Path, disease: str, technology: str | None = None) -> None:
        self.label = str(path)
        self.name = path.name
        self._path = path
        self._disease = disease
        self._technology = _technology_word(technology) if technology else None
        if not path.is_file():
            raise UserError(
                "EXTRACTION_FILE_NOT_FOUND",
                "there is no such file",
                file=self.label,
                action="Name an existing CSV of pair metrics",
            )
        if self._technology not in (None, *TECHNOLOGIES):
            raise UserError(
                "CONFIG_INVALID",
                f"the technology is {technology!r}",
                expected=f"one of {', '.join(TECHNOLOGIES)}",
                action="Correct --technology",
            )
        header = next(self._rows(), None)
        if header is None:
            raise UserError("EXTRACTION_FILE_NOT_FOUND", "the file is empty", file=self.label)
        self._width = len(header[1])
        self._columns = self._read_header(header[1])
        read = self._columns.values()
        self.ignored = [cell for place, cell in enumerate(header[1]) if place not in read]
        self._metrics = [metric for name, metric in metrics().items() if name in self._columns]
        if self._technology is None and "technology" not in self._columns:
            raise self._no_technology(1)

    @functools.cached_property
    def sha256(self) -> str:
        """Hash of the file's bytes."""
        with self._path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    @property
    def metric_names(self) -> list[str]:
        """The metrics that the file gives."""
        return [metric.name for metric in self._metrics]

    @property
    def schema(self) -> pa.Schema:
        """Of the batches: names are those of staging.pair_metrics."""
        return pa.schema(
            [
                pa.field("batch_id", pa.string()),
                pa.field("disease_label", pa.string()),
                pa.field("technology", pa.string()),
                pa.field("gene_a_key", pa.int32()),
                pa.field("gene_b_key", pa.int32()),
                pa.field("csv_override", pa.bool_()),
                *(pa.field(metric.name, metric.type) for metric in self._metrics),
                pa.field("line_no", pa.int64()),
            ]
        )

    def batches(self, gene_keys: np.ndarray) -> Iterator[pa.RecordBatch]:
        """The rows, checked, in the file's order.

        gene_keys  those of dim_gene

        Raises UserError for the first line that is wrong: 1002 another number of cells, 1003 not
        UTF-8, 1004 no number, 4004 a number out of its bounds, 54200 an unknown gene, 54201 no
        pair.
        """
        line = 1
        for lines, rows in self._chunks():
            columns = dict(zip(self._columns, zip(*rows, strict=True), strict=True))
            yield self._read(lines, columns, gene_keys)
            line = lines[-1]
        if line == 1:
            raise UserError(
                "EXTRACTION_INVALID_FORMAT",
                "there is no pair after the header",
                file=self.label,
                line=2,
                expected="a line for each pair",
                action="Write the pairs below the header",
            )

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        """Each row with the line that it starts on; a quoted cell can have several lines."""
        # A column that is ignored can be of any length.
        csv.field_size_limit(2**31 - 1)
        line = 1
        try:
            with self._path.open(encoding="utf-8-sig", newline="") as text:
                reader = csv.reader(text, strict=True)
                for row in reader:
                    yield line, row
                    line = reader.line_num + 1
        except csv.Error as error:
            raise UserError(
                "EXTRACTION_PARSE_ERROR",
                f"the row is no CSV: {error}",
                file=self.label,
                line=line,
                expected='cells with commas between, in "…" where they have a comma or line break',
                action="Correct the quotes of the row",
            ) from error
        except UnicodeDecodeError as error:
            raise self._not_utf8() from error
        except OSError as error:
            raise UserError(
                "EXTRACTION_FILE_UNREADABLE", error.strerror or str(error), file=self.label
            ) from error

    def _not_utf8(self) -> UserError:
        """The decoder reads ahead of the rows: the bytes are looked at again, by line."""
        with self._path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                try:
                    line.decode("utf-8")
                except UnicodeDecodeError as error:
                    found = f"byte {error.start + 1} of the line is not UTF-8"
                    return UserError(
                        "EXTRACTION_ENCODING_ERROR", found, file=self.label, line=number
                    )
        return UserError("EXTRACTION_ENCODING_ERROR", "the end is cut off", file=self.label)

    def _read_header(self, header: list[str]) -> dict[str, int]:
        """Column that is read -> its place."""
        names = [cell.strip().lower() for cell in header]
        if "pair_id" not in names:
            is_data = any(_PAIR_ID.fullmatch(name) for name in names)
            raise self._bad_header(
                "the file starts with values: there is no header"
                if is_data
                else ("the header has no column pair_id" if names else "the header is empty")
            )
        columns: dict[str, int] = {}
        for place, name in enumerate(names):
            if name in columns:
                raise self._bad_header(f"{name} is columns {columns[name] + 1} and {place + 1}")
            if name in ("pair_id", "technology", CSV_OVERRIDE.name, *metrics()):
                columns[name] = place
        return columns

    def _bad_header(self, found: str) -> UserError:
        return UserError(
            "EXTRACTION_INVALID_FORMAT",
            found,
            file=self.label,
            line=1,
            expected="pair_id and columns of fact_gene_pair_metrics, separated by commas",
            action="Correct the header",
        )

    def _chunks(self) -> Iterator[tuple[list[int], list[list[str]]]]:
        """Rows after the header, some thousands at a time: their lines, and the cells to read."""
        lines: list[int] = []
        rows: list[list[str]] = []
        fault = None
        source = self._rows()
        next(source)
        while fault is None:
            try:
                line, row = next(source)
            except StopIteration:
                break
            except UserError as error:
                fault = error
                break
            if len(row) != self._width:
                fault = UserError(
                    "EXTRACTION_INVALID_FORMAT",
                    f"the row has {len(row)} cells" if row else "an empty line",
                    file=self.label,
                    line=line,
                    expected=f"{self._width} cells, as in the header",
                    action="Correct the line named",
                )
                break
            lines.append(line)
            rows.append([row[place] for place in self._columns.values()])
            if len(rows) == _CHUNK_ROWS:
                yield lines, rows
                lines, rows = [], []
        # What stands before the fault can have one of its own.
        if rows:
            yield lines, rows
        if fault:
            raise fault

    def _read(
        self, lines: list[int], columns: dict[str, tuple[str, ...]], gene_keys: np.ndarray
    ) -> pa.RecordBatch:
        """One batch from the cells of each column; the fault with the lowest line is raised."""
        faults: list[UserError] = []
        check = functools.partial(self._check, lines, faults)
        gene_a, gene_b = self._read_pairs(lines, faults, columns["pair_id"], gene_keys)
        technologies = self._read_technologies(lines, faults, columns.get("technology"))
        override = np.zeros(len(lines))
        if CSV_OVERRIDE.name in columns:
            override = np.nan_to_num(check(CSV_OVERRIDE, columns[CSV_OVERRIDE.name]))
        values = {metric.name: check(metric, columns[metric.name]) for metric in self._metrics}
        for low, high in orders():
            if low in values and high in values:
                self._check_order(lines, faults, low, high, values)
        if faults:
            raise min(faults, key=lambda fault: fault.line or 0)

        ids = {name: pair_batch_id(self.sha256, self._disease, name) for name in TECHNOLOGIES}
        return pa.record_batch(
            [
                pa.array([ids[name] for name in technologies], pa.string()),
                pa.array([self._disease] * len(lines), pa.string()),
                pa.array(technologies, pa.string()),
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

    def _read_pairs(
        self,
        lines: list[int],
        faults: list[UserError],
        cells: Sequence[str],
        gene_keys: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Gene keys of the rows; their faults are 54201 for no pair and 54200 for no such gene."""
        pairs = [parse_pair_id(cell.strip()) for cell in cells]
        if None in pairs:
            row = pairs.index(None)
            is_one_gene = _PAIR_ID.fullmatch(cells[row].strip())
            faults.append(
                UserError(
                    "PAIR_ID_FORMAT_INVALID",
                    f"pair_id {_shown(cells[row])} names one gene twice"
                    if is_one_gene
                    else f"pair_id is {_shown(cells[row])}",
                    file=self.label,
                    line=lines[row],
                    expected="keys of two genes of dim_gene with _ between",
                )
            )
            pairs = pairs[:row]
        keys = np.array(pairs, dtype=object).reshape(-1, 2)
        # Beyond an integer there is no key, and none is 0.
        keys = np.where(keys > _GENE_KEY_MAX, 0, keys).astype(np.int64)
        unknown = ~np.isin(keys, gene_keys)
        if unknown.any():
            row, side = np.argwhere(unknown)[0]
            faults.append(
                UserError(
                    "PAIR_GENEKEY_NOT_FOUND",
                    f"pair_id {_shown(cells[row])}: no gene_key {str(pairs[row][side])[:20]}",
                    file=self.label,
                    line=lines[row],
                    expected="gene keys of this warehouse",
                    action="Build the gene's study first; each warehouse has keys of its own",
                )
            )
        return keys[:, 0], keys[:, 1]

    def _read_technologies(
        self, lines: list[int], faults: list[UserError], cells: Sequence[str] | None
    ) -> list[str | None]:
        """The technology of each row; its faults are 54030 for none and 4004 for an unknown one."""
        if cells is None:
            return [self._technology] * len(lines)
        found = [
            self._technology if cell.strip() in NULL_VALUES else _technology_word(cell)
            for cell in cells
        ]
        for row, name in enumerate(found):
            if name is None:
                faults.append(self._no_technology(lines[row]))
                break
            if name not in TECHNOLOGIES:
                faults.append(
                    self._out_of_bounds(
                        lines[row], "technology", cells[row], f"one of {', '.join(TECHNOLOGIES)}"
                    )
                )
                break
        return found

    def _no_technology(self, line: int) -> UserError:
        return UserError(
            "CONFIG_INVALID",
            "nothing says the technology of the pairs",
            file=self.label,
            line=line,
            expected="a column technology, or --technology",
            action=f"Add --technology {TECHNOLOGIES[0]} (or {' or '.join(TECHNOLOGIES[1:])})",
        )

    def _out_of_bounds(self, line: int, column: str, cell: str, expected: str) -> UserError:
        return UserError(
            "LOAD_CONSTRAINT_VIOLATION",
            f"column {column} is {_shown(cell)}",
            file=self.label,
            line=line,
            expected=expected,
            action="Correct the value at the line named",
        )

    def _check(
        self,
        lines: list[int],
        faults: list[UserError],
        metric: Metric,
        cells: Sequence[str],
    ) -> np.ndarray:
        """The numbers of a column, nan where missing; their faults are 1004 and 4004."""
        numbers, text_row = read_numbers(cells)
        # Comparisons with nan are false.
        is_wrong = np.isinf(numbers) | (numbers < metric.least) | (numbers > metric.greatest)
        if metric.is_whole:
            is_wrong |= np.floor(numbers) < numbers
        if text_row is not None:
            faults.append(
                UserError(
                    "EXTRACTION_PARSE_ERROR",
                    f"column {metric.name} is {_shown(cells[text_row])}",
                    file=self.label,
                    line=lines[text_row],
                    expected=f"{metric.expected}, or nothing or NA where it is missing",
                )
            )
        if is_wrong.any():
            row = int(np.argmax(is_wrong))
            faults.append(self._out_of_bounds(lines[row], metric.name, cells[row], metric.expected))
        return numbers

    def _check_order(
        self,
        lines: list[int],
        faults: list[UserError],
        low: str,
        high: str,
        values: dict[str, np.ndarray],
    ) -> None:
        is_wrong = values[low] > values[high]
        if is_wrong.any():
            row = int(np.argmax(is_wrong))
            low_value, high_value = float(values[low][row]), float(values[high][row])
            faults.append(
                self._out_of_bounds(
                    lines[row], low, str(low_value), f"no more than {high}, which is {high_value}"
                )
            )


def read_numbers(cells: Sequence[str]) -> tuple[np.ndarray, int | None]:
    """Numbers, nan where missing, and the place of the first text that is none.

    Infinities and numbers that no double holds are ±inf.
    """
    texts = pc.utf8_trim(pa.array(cells, pa.string()), " ")
    texts = pc.if_else(pc.is_in(texts, pa.array(NULL_VALUES)), pa.scalar(None, pa.string()), texts)
    try:
        numbers = texts.cast(pa.float64())
    except pa.ArrowInvalid:
        return _read_texts(texts.to_pylist())
    values = numbers.to_numpy(zero_copy_only=False)
    # Arrow takes 'nan(1)' and the like for a number.
    if np.isnan(values).sum() > numbers.null_count:
        return _read_texts(texts.to_pylist())
    return values, None


def _read_texts(texts: list[str | None]) -> tuple[np.ndarray, int | None]:
    """The same, a cell at a time: slow, but only a broken file needs it."""
    numbers = np.full(len(texts), np.nan)
    for place, text in enumerate(texts):
        if text is None:
            continue
        if not NUMBER.fullmatch(text) and not _NOT_FINITE.fullmatch(text):
            return numbers, place
        numbers[place] = float(text)
    return numbers, None
