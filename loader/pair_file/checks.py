"""Checks of some rows of a file of gene pairs."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from expression_warehouse.core.errors import UserError
from expression_warehouse.core.genes import GeneNames
from expression_warehouse.core.technology import TECHNOLOGIES
from loader.pair_file.metrics import Metric
from loader.pair_file.numbers import read_numbers
from loader.pair_file.pair_id import has_form_of_pair_id, parse_pair_id
from loader.source.values import NULL_VALUES, NUMBER

HUMAN = "HOMO_SAPIENS"

_ORGANISM = re.compile("[A-Z][A-Z0-9]*_[A-Z0-9_.-]{1,90}")

_GENE_KEY_MAX = 2**31 - 1
_CELL_SHOWN = 60


@dataclass
class RowChecks:
    """Reads columns of the same rows, and collects the first fault of each column.

    label  name of the file in errors
    lines  number of each row's line
    """

    label: str
    lines: list[int]
    faults: list[UserError] = field(default_factory=list)

    def raise_first(self) -> None:
        """Raise the fault with the lowest line, if there is one."""
        if self.faults:
            raise min(self.faults, key=lambda fault: fault.line or 0)

    def pairs(self, cells: Sequence[str], gene_keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Gene keys of the rows; faults: 54201 no pair id, 54200 an unknown gene."""
        pairs = [parse_pair_id(cell.strip()) for cell in cells]
        if None in pairs:
            row = pairs.index(None)
            self._no_pair_id(row, cells[row])
            pairs = pairs[:row]
        keys = np.array(pairs, dtype=object).reshape(-1, 2)
        # No gene has a key beyond an integer, or the key 0.
        keys = np.where(keys > _GENE_KEY_MAX, 0, keys).astype(np.int64)
        unknown = ~np.isin(keys, gene_keys)
        if unknown.any():
            row, side = np.argwhere(unknown)[0]
            self._fault(
                row,
                "PAIR_GENEKEY_NOT_FOUND",
                f"pair_id {_shown(cells[row])}: no gene_key {str(pairs[row][side])[:20]}",
                expected="gene keys of this warehouse",
                action="Build the gene's study first; each warehouse has its own keys",
            )
        return keys[:, 0], keys[:, 1]

    def named_pairs(
        self,
        first: Sequence[str],
        second: Sequence[str],
        genes: GeneNames,
        organisms: Sequence[str],
    ) -> tuple[np.ndarray, np.ndarray]:
        """Gene keys of the rows, the smaller one first.

        Faults: 54200 an unknown name, 54201 one gene twice, 54202 a name of several genes.

        organisms  of the rows
        """
        keys = np.zeros((len(self.lines), 2), dtype=np.int64)
        for row, (*names, organism) in enumerate(zip(first, second, organisms, strict=True)):
            for side, name in enumerate(names):
                key, candidates = genes.find(name, organism)
                if key is None:
                    self._no_gene(row, name, organism, candidates)
                    return keys[:, 0], keys[:, 1]
                keys[row, side] = key
            if keys[row, 0] == keys[row, 1]:
                self._fault(
                    row,
                    "PAIR_ID_FORMAT_INVALID",
                    f"{_shown(names[0])} and {_shown(names[1])} are one gene",
                    expected="two different genes",
                    action="Correct the line named",
                )
                break
        keys.sort(axis=1)
        return keys[:, 0], keys[:, 1]

    def technologies(self, cells: Sequence[str] | None, default: str | None) -> list[str | None]:
        """The technology of each row; faults: 54030 none, 4004 an unknown one."""
        if cells is None:
            return [default] * len(self.lines)
        names = [
            default if cell.strip() in NULL_VALUES else technology_word(cell) for cell in cells
        ]
        for row, name in enumerate(names):
            if name is None:
                self.faults.append(no_technology(self.label, self.lines[row]))
                break
            if name not in TECHNOLOGIES:
                expected = f"one of {', '.join(TECHNOLOGIES)}"
                self._out_of_bounds(row, "technology", cells[row], expected)
                break
        return names

    def organisms(
        self,
        cells: Sequence[str] | None,
        default: str | None,
        technologies: Sequence[str | None],
        of_slices: Mapping[str, Sequence[str]],
    ) -> list[str]:
        """The organism of each row; faults: 4004 no organism, 54030 one of several.

        default    for rows without an organism; None: that of the slices, else human
        of_slices  technology → organisms of the disease's slices
        """
        names = [
            "" if cell.strip() in NULL_VALUES else organism_word(cell)
            for cell in cells or [""] * len(self.lines)
        ]
        for row, name in enumerate(names):
            if name and not is_organism(name):
                self._out_of_bounds(row, "organism", name, "a name as MUS_MUSCULUS")
                break
            if name or default:
                continue
            known = of_slices.get(technologies[row] or "", ())
            if len(known) > 1:
                self.faults.append(no_organism(self.label, self.lines[row], known))
                break
        defaults = {
            technology: default or next(iter(of_slices.get(technology or "", ())), HUMAN)
            for technology in set(technologies)
        }
        return [name or defaults[tech] for name, tech in zip(names, technologies, strict=True)]

    def numbers(self, metric: Metric, cells: Sequence[str]) -> np.ndarray:
        """The numbers of a column, nan if missing; faults: 1004 no number, 4004 out of bounds."""
        numbers, text_row = read_numbers(cells)
        # Comparisons with nan are false.
        is_wrong = np.isinf(numbers) | (numbers < metric.least) | (numbers > metric.greatest)
        if metric.is_whole:
            is_wrong |= np.floor(numbers) < numbers
        if text_row is not None:
            self._fault(
                text_row,
                "EXTRACTION_PARSE_ERROR",
                f"column {metric.name} is {_shown(cells[text_row])}",
                expected=f"{metric.expected}, or an empty cell or NA if it is missing",
                action="Write decimals with a point, as 0.5"
                if NUMBER.fullmatch(cells[text_row].replace(",", ".", 1))
                else None,
            )
        if is_wrong.any():
            row = int(np.argmax(is_wrong))
            self._out_of_bounds(row, metric.name, cells[row], metric.expected)
        return numbers

    def order(self, low: str, high: str, values: dict[str, np.ndarray]) -> None:
        """Check that metric `low` is never above metric `high`; fault: 4004."""
        is_wrong = values[low] > values[high]
        if is_wrong.any():
            row = int(np.argmax(is_wrong))
            low_value, high_value = float(values[low][row]), float(values[high][row])
            expected = f"no more than {high}, which is {high_value}"
            self._out_of_bounds(row, low, str(low_value), expected)

    def _no_pair_id(self, row: int, cell: str) -> None:
        self._fault(
            row,
            "PAIR_ID_FORMAT_INVALID",
            f"pair_id {_shown(cell)} names one gene twice"
            if has_form_of_pair_id(cell.strip())
            else f"pair_id is {_shown(cell)}",
            expected="two different gene keys of dim_gene with _ between",
        )

    def _no_gene(self, row: int, name: str, organism: str, candidates: list[str]) -> None:
        if candidates:
            found = f"{_shown(name)} is a name of {', '.join(candidates)}"
            if len(candidates) == 1:
                found += ", but alone means another gene"
            expected = f"a symbol or id of one gene of {organism}"
            self._fault(row, "PAIR_GENE_AMBIGUOUS", found, expected)
            return
        self._fault(
            row,
            "PAIR_GENEKEY_NOT_FOUND",
            f"no gene {_shown(name)} of {organism}",
            expected="symbols or ids of genes of this warehouse (dim.gene_identifier)",
            action="Build the gene's study first; for symbols, run expression-warehouse annotation "
            "update and dbt build",
        )

    def _out_of_bounds(self, row: int, column: str, cell: str, expected: str) -> None:
        self._fault(
            row,
            "LOAD_CONSTRAINT_VIOLATION",
            f"column {column} is {_shown(cell)}",
            expected,
            action="Correct the value at the line named",
        )

    def _fault(
        self, row: int, name: str, found: str, expected: str, action: str | None = None
    ) -> None:
        line = self.lines[row]
        fault = UserError(name, found, file=self.label, line=line, expected=expected, action=action)
        self.faults.append(fault)


def technology_word(text: str) -> str:
    """As the warehouse writes it: 'rna_seq' -> 'RNA-SEQ'."""
    return text.strip().upper().replace("_", "-")


def organism_word(text: str) -> str:
    """As the warehouse writes it: 'Mus musculus' -> 'MUS_MUSCULUS'."""
    return text.strip().upper().replace(" ", "_")


def is_organism(name: str) -> bool:
    """Whether the name can be an organism of the warehouse."""
    return bool(_ORGANISM.fullmatch(name))


def no_organism(label: str, line: int, known: Sequence[str]) -> UserError:
    """54030 for pairs that can be of several organisms."""
    return UserError(
        "CONFIG_INVALID",
        f"the organism of the pairs is missing: the studies are of {', '.join(known)}",
        file=label,
        line=line,
        expected="a column organism, or --organism",
        action=f"Add --organism {known[0]} (or {' or '.join(known[1:])})",
    )


def no_technology(label: str, line: int) -> UserError:
    """54030 for pairs without a technology."""
    return UserError(
        "CONFIG_INVALID",
        "the technology of the pairs is missing",
        file=label,
        line=line,
        expected="a column technology, or --technology",
        action=f"Add --technology {TECHNOLOGIES[0]} (or {' or '.join(TECHNOLOGIES[1:])})",
    )


def _shown(cell: str) -> str:
    """For a message. A quote that is not closed can make a cell of many lines."""
    return repr(cell if len(cell) <= _CELL_SHOWN else f"{cell[:_CELL_SHOWN]}…")
