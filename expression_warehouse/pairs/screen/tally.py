"""Counts all statistics of all pairs in bounded memory, and keeps those of the smallest p."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numba
import numpy as np

from expression_warehouse.pairs.screen.bins import BIN_COUNT, bin_of, code_of, places
from expression_warehouse.pairs.screen.buffers import BUFFERS, SMALL_BUFFERS

PAIR = np.dtype([("size", "f8"), ("row", "i4"), ("gene_a", "i4"), ("gene_b", "i4")])
# A bin, and how many statistics of a tile lie there.
BIN_RUN = np.dtype([("bin", "i4"), ("number", "i4")])


class Seen:
    """Statistics as they come, tile by tile, the codes of a tile bin by bin.

    count  how many there are
    """

    def __init__(self) -> None:
        self.count = 0
        self._codes = np.empty(0, np.uint32)
        self._runs: list[np.ndarray] = []

    @property
    def codes(self) -> np.ndarray:
        """(count,): where they lie in their bins."""
        return self._codes[: self.count]

    @property
    def runs(self) -> np.ndarray:
        """BIN_RUN, of all tiles one after the other."""
        return np.concatenate([np.empty(0, BIN_RUN), *self._runs])

    def add(self, codes: np.ndarray, runs: np.ndarray) -> None:
        """Take in the codes of a tile, which lie in these runs."""
        if (wanted := self.count + len(codes)) > len(self._codes):
            longer = BUFFERS.take(2 * wanted)
            longer[: self.count] = self.codes
            self._codes = longer
        self._codes[self.count : wanted] = codes
        self._runs.append(runs)
        self.count = wanted

    def clear(self) -> None:
        """Let go of all."""
        if len(self._codes):
            BUFFERS.give_back(self._codes)
        self.__init__()


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
        if not statistics.size:
            return
        size, lend = statistics.size, SMALL_BUFFERS.lend
        tile, large = (statistics, rows, genes_a, genes_b, self.least), np.empty(len(genes_a), int)
        with lend(size) as bins, lend(size) as codes, lend(size) as ordered:
            count = _encode_tile(*tile, bins, codes, large)
            if count:
                runs = _sort_by_bin(bins[:count], codes[:count], self.counts, ordered)
                self.seen.add(ordered[:count], runs)
        if kept_count := large.sum():
            self.kept.append(np.empty(kept_count, PAIR))
            _keep(*tile, large, self.kept[-1])
            if sum(map(len, self.kept)) > 2 * self.keep + size:
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
def _encode_tile(statistics, rows, genes_a, genes_b, least, bins, codes, large):
    """Write the bins and codes of all statistics of a tile, and how many in each of its rows are
    large enough to be kept. Returns how many statistics there are."""
    count, width, first_b = 0, len(genes_b), genes_b.min()
    for i in range(len(genes_a)):
        own_bins, own_codes = bins[count : count + width], codes[count : count + width]
        numbers = _encode(statistics[i], rows[i], own_bins, own_codes)
        if numbers == width and genes_a[i] < first_b:
            count += width
            large[i] = _count_large(statistics[i], rows[i], least)
        else:
            large[i] = 0
            for j in range(width):
                size = abs(statistics[i, j])
                if size == size and genes_a[i] < genes_b[j]:
                    bins[count], codes[count] = own_bins[j], own_codes[j]
                    count += 1
                    large[i] += size >= least[rows[i, j]]
    return count


@numba.njit(nogil=True, cache=True)
def _keep(statistics, rows, genes_a, genes_b, least, large, kept):
    """Write the pairs of a tile that are to be kept."""
    count = 0
    for i in range(len(genes_a)):
        left, j = large[i], 0
        while left:
            size, row = abs(statistics[i, j]), rows[i, j]
            if size >= least[row] and genes_a[i] < genes_b[j]:
                kept[count].size, kept[count].row = size, row
                kept[count].gene_a, kept[count].gene_b = genes_a[i], genes_b[j]
                count += 1
                left -= 1
            j += 1


@numba.njit(nogil=True, cache=True)
def _encode(statistics, rows, bins, codes):
    """Write bins and codes, on several statistics at a time. Returns how many are no NaN."""
    count = 0
    for j in range(bins.size):
        size = abs(statistics[j])
        bins[j] = rows[j] * BIN_COUNT + bin_of(size)
        codes[j] = code_of(size)
        count += size == size
    return count


@numba.njit(nogil=True, cache=True)
def _count_large(statistics, rows, least):
    """How many are large enough to be kept, on several at a time as well."""
    count = 0
    for j in range(statistics.size):
        count += abs(statistics[j]) >= least[rows[j]]
    return count


@numba.njit(nogil=True, cache=True)
def _sort_by_bin(bins, codes, counts, ordered):
    """Write codes bin by bin, while they are in the processor's cache, and count them. Returns
    their runs."""
    lowest = bins.min()
    next_of = np.zeros(np.int64(bins.max() - lowest) + 1, np.uint32)
    for i in range(bins.size):
        next_of[bins[i] - lowest] += np.uint32(1)
    runs = np.empty(np.count_nonzero(next_of), BIN_RUN)
    run, first = 0, 0
    for own in range(next_of.size):
        number = next_of[own]
        next_of[own] = first
        if number:
            runs[run].bin, runs[run].number = lowest + own, number
            counts[lowest + own] += number
            first += number
            run += 1
    for i in range(codes.size):
        place = next_of[bins[i] - lowest]
        ordered[place] = codes[i]
        next_of[bins[i] - lowest] = place + np.uint32(1)
    return runs
