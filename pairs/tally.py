"""Counts all statistics of all pairs in bounded memory, and keeps those of the smallest p."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numba
import numpy as np

from pairs.bins import BIN_COUNT, bin_of, edges

PAIR = np.dtype([("size", "f8"), ("row", "i4"), ("gene_a", "i4"), ("gene_b", "i4")])


@dataclass
class Family:
    """The tests of one kind.

    degrees  degrees of freedom that its tests can have, 0 for normal ones: a row of bins each
    keep     of how many tests the exact statistic is kept, at least
    counts   (rows, bins): how many statistics lie in each bin
    floor    (rows,): the first bin of each row whose statistics are kept
    kept     blocks of PAIR: those statistics, and some that were kept before the floor rose
    """

    degrees: tuple[int, ...]
    keep: int
    counts: np.ndarray = field(init=False)
    floor: np.ndarray = field(init=False)
    kept: list[np.ndarray] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.counts = np.zeros((len(self.degrees), BIN_COUNT), np.int64)
        self.floor = np.zeros(len(self.degrees), np.int64)

    def __getstate__(self) -> dict[str, Any]:
        """Most bins are empty, and are left out where a family is sent or written."""
        counts = self.counts.ravel()
        places = np.flatnonzero(counts)
        return {**vars(self), "counts": (places, counts[places])}

    def __setstate__(self, state: dict[str, Any]) -> None:
        places, numbers = state.pop("counts")
        vars(self).update(state)
        self.counts = np.zeros((len(self.degrees), BIN_COUNT), np.int64)
        self.counts.ravel()[places] = numbers

    def add(
        self, statistics: np.ndarray, rows: np.ndarray, genes_a: np.ndarray, genes_b: np.ndarray
    ) -> None:
        """Take in a tile.

        statistics  (a, b); NaN where there is no test
        rows        (a, b): places of their degrees of freedom
        genes_a     (a,): numbers of the genes; only pairs with gene a before gene b count
        genes_b     (b,)
        """
        taken = np.empty(statistics.size, PAIR)
        size = _count(statistics, rows, genes_a, genes_b, self.counts, self.floor, taken)
        if size:
            self.kept.append(taken[:size].copy())
            if sum(map(len, self.kept)) > 2 * self.keep + statistics.size:
                self.raise_floor()

    def raise_floor(self) -> None:
        """Let go of statistics that can be none of the `keep` with the smallest p, whatever is
        still to come.

        Bins are taken whole, from that of the smallest p on, until they hold `keep`: what is kept
        in the end depends on all statistics together, not on the order in which they came.
        """
        order = edges(self.degrees).order
        enough = int(np.searchsorted(np.cumsum(self.counts.ravel()[order]), self.keep)) + 1
        rows = np.bincount(order[:enough] // BIN_COUNT, minlength=len(self.degrees))
        self.floor = np.maximum(self.floor, BIN_COUNT - rows)
        self.kept = [block for part in self.kept if len(block := _above(part, self.floor))]

    def merge(self, other: "Family") -> None:
        """Take in what another family counted of other pairs."""
        self.counts += other.counts
        self.kept += other.kept
        if sum(map(len, self.kept)) > 2 * self.keep:
            self.raise_floor()


class Tally:
    """Families of tests on the same pairs."""

    def __init__(self, degrees: Sequence[tuple[int, ...]], keep: int) -> None:
        self.families = [Family(own, keep) for own in degrees]

    def like(self) -> "Tally":
        """An empty one that keeps only what this one would."""
        other = Tally([family.degrees for family in self.families], self.families[0].keep)
        for own, new in zip(self.families, other.families, strict=True):
            new.floor = own.floor.copy()
        return other

    def merge(self, other: "Tally") -> None:
        """Take in what another one counted of other pairs."""
        for own, theirs in zip(self.families, other.families, strict=True):
            own.merge(theirs)


def _above(kept: np.ndarray, floor: np.ndarray) -> np.ndarray:
    return kept[_bins(kept["size"]) >= floor[kept["row"]]]


@numba.njit(nogil=True, cache=True)
def _bins(sizes: np.ndarray) -> np.ndarray:
    found = np.empty(sizes.size, np.int64)
    for i in range(sizes.size):
        found[i] = bin_of(sizes[i])
    return found


@numba.njit(nogil=True, cache=True)
def _count(statistics, rows, genes_a, genes_b, counts, floor, taken):
    size = 0
    for i in range(len(genes_a)):
        for j in range(len(genes_b)):
            value = abs(statistics[i, j])
            if value == value and genes_a[i] < genes_b[j]:
                row, place = int(rows[i, j]), bin_of(value)
                counts[row, place] += 1
                if place >= floor[row]:
                    taken[size].size = value
                    taken[size].row = row
                    taken[size].gene_a = genes_a[i]
                    taken[size].gene_b = genes_b[j]
                    size += 1
    return size
