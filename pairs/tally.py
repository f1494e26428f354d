"""Counts all statistics of all pairs in bounded memory, and keeps those of the smallest p."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numba
import numpy as np

from pairs.bins import BIN_COUNT, bin_of, code_of, places
from pairs.buffers import BUFFERS

PAIR = np.dtype([("size", "f8"), ("row", "i4"), ("gene_a", "i4"), ("gene_b", "i4")])


class Seen:
    """Statistics as they come.

    count  how many there are
    """

    def __init__(self) -> None:
        self.count = 0
        self._bins = self._codes = np.empty(0, np.uint32)

    @property
    def bins(self) -> np.ndarray:
        """(count,): the bins they lie in."""
        return self._bins[: self.count]

    @property
    def codes(self) -> np.ndarray:
        """(count,): where they lie in them."""
        return self._codes[: self.count]

    def room(self, more: int) -> tuple[np.ndarray, np.ndarray]:
        """Bins and codes to write more of; the count is to be raised by as many."""
        if (wanted := self.count + more) > min(len(self._bins), len(self._codes)):
            self._bins = _longer(self._bins, self.count, 2 * wanted)
            self._codes = _longer(self._codes, self.count, 2 * wanted)
        return self._bins[self.count : wanted], self._codes[self.count : wanted]

    def clear(self) -> None:
        """Let go of all."""
        for array in (self._bins, self._codes):
            if len(array):
                BUFFERS.give_back(array)
        self.__init__()


def _longer(array: np.ndarray, count: int, size: int) -> np.ndarray:
    longer = BUFFERS.take(size)
    longer[:count] = array[:count]
    return longer


@dataclass
class Family:
    """The tests of one kind.

    degrees  degrees of freedom that its tests can have, 0 for normal ones: a row of bins each
    keep     of how many tests the pairs are kept, at least
    counts   (bins,): how many statistics lie in each bin
    least    (rows,): statistics of this size or greater are kept
    kept     blocks of PAIR: those statistics, and some that were kept before `least` rose
    seen     all statistics that were added, until they are written
    """

    degrees: tuple[int, ...]
    keep: int
    counts: np.ndarray = field(init=False)
    least: np.ndarray = field(init=False)
    kept: list[np.ndarray] = field(default_factory=list)
    seen: Seen = field(default_factory=Seen)

    def __post_init__(self) -> None:
        self.counts = np.zeros(len(self.degrees) * BIN_COUNT, np.int64)
        self.least = np.zeros(len(self.degrees))

    def __getstate__(self) -> dict[str, Any]:
        """Most bins are empty, and are left out where a family is sent or written; what was seen
        is in a file."""
        filled = np.flatnonzero(self.counts)
        return {**vars(self), "counts": (filled, self.counts[filled]), "seen": Seen()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        filled, numbers = state.pop("counts")
        vars(self).update(state)
        self.counts = np.zeros(len(self.degrees) * BIN_COUNT, np.int64)
        self.counts[filled] = numbers

    @property
    def place_counts(self) -> np.ndarray:
        """(places,): how many statistics lie in each, from those of the smallest p on."""
        return self.counts[places(self.degrees).bins]

    def add(
        self, statistics: np.ndarray, rows: np.ndarray, genes_a: np.ndarray, genes_b: np.ndarray
    ) -> None:
        """Take in a tile.

        statistics  (a, b); NaN where there is no test
        rows        (a, b), int32: places of their degrees of freedom
        genes_a     (a,): numbers of the genes; only pairs with gene a before gene b count
        genes_b     (b,)
        """
        bins, codes = self.seen.room(statistics.size)
        kept = np.empty(statistics.size, PAIR)
        seen_count, kept_count = _place(
            statistics, rows, genes_a, genes_b, self.least, bins, codes, self.counts, kept
        )
        self.seen.count += seen_count
        if kept_count:
            self.kept.append(kept[:kept_count].copy())
            if sum(map(len, self.kept)) > 2 * self.keep + statistics.size:
                self.raise_least()

    def raise_least(self) -> None:
        """Let go of statistics that can be none of the `keep` with the smallest p, whatever is
        still to come.

        The first places that hold `keep` statistics hold no p above a certain one; kept is what
        lies in any place where p could be as small. So it depends on all statistics together, not
        on the order in which they came.
        """
        own, counts = places(self.degrees), self.place_counts
        enough = int(np.searchsorted(np.cumsum(counts), self.keep))
        if enough < len(counts):
            most = own.greatest_so_far(counts)[enough]
            last = int(np.searchsorted(own.least, most, side="right"))
            self.least = np.maximum(self.least, own.least_sizes(last))
        kept = [part[part["size"] >= self.least[part["row"]]] for part in self.kept]
        self.kept = [part for part in kept if len(part)]

    def merge(self, other: "Family") -> None:
        """Take in what another family counted of other pairs."""
        self.counts += other.counts
        self.kept += other.kept
        if sum(map(len, self.kept)) > 2 * self.keep:
            self.raise_least()


class Tally:
    """Families of tests on the same pairs."""

    def __init__(self, degrees: Sequence[tuple[int, ...]], keep: int) -> None:
        self.families = [Family(own, keep) for own in degrees]

    def like(self) -> "Tally":
        """An empty one that keeps only what this one would."""
        other = Tally([family.degrees for family in self.families], self.families[0].keep)
        for own, new in zip(self.families, other.families, strict=True):
            new.least = own.least
        return other

    def merge(self, other: "Tally") -> None:
        """Take in what another one counted of other pairs."""
        for own, theirs in zip(self.families, other.families, strict=True):
            own.merge(theirs)


@numba.njit(nogil=True, cache=True)
def _place(statistics, rows, genes_a, genes_b, least, bins, codes, counts, kept):
    """Write the bins and codes of all statistics of a tile, count them, and write the pairs of
    those that are large enough. Returns how many there are of both."""
    count, kept_count, width, first_b = 0, 0, len(genes_b), genes_b.min()
    for i in range(len(genes_a)):
        own = bins[count : count + width]
        numbers, large = _encode(statistics[i], rows[i], least, own, codes[count : count + width])
        if numbers == width and genes_a[i] < first_b:
            for j in range(width):
                counts[own[j]] += 1
            count += width
        else:
            start = count
            for j in range(width):
                if statistics[i, j] == statistics[i, j] and genes_a[i] < genes_b[j]:
                    counts[own[j]] += 1
                    bins[count], codes[count] = own[j], codes[start + j]
                    count += 1
        if large:
            for j in range(width):
                size, row = abs(statistics[i, j]), rows[i, j]
                if size >= least[row] and genes_a[i] < genes_b[j]:
                    kept[kept_count].size, kept[kept_count].row = size, row
                    kept[kept_count].gene_a, kept[kept_count].gene_b = genes_a[i], genes_b[j]
                    kept_count += 1
    return count, kept_count


@numba.njit(nogil=True, cache=True)
def _encode(statistics, rows, least, bins, codes):
    """Write bins and codes, on several statistics at a time. Returns how many are no NaN, and how
    many large enough to be kept."""
    numbers, large = 0, 0
    for j in range(bins.size):
        size = abs(statistics[j])
        bins[j] = rows[j] * BIN_COUNT + bin_of(size)
        codes[j] = code_of(size)
        numbers += size == size
    for j in range(bins.size):
        large += abs(statistics[j]) >= least[rows[j]]
    return numbers, large
