"""Counts all statistics of all pairs in bounded memory, and keeps those of the smallest p."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numba
import numpy as np

from pairs.bins import BIN_COUNT, bin_of, places

# Statistics that there is room for at first.
_LEAST_ROOM = 1 << 20

PAIR = np.dtype([("size", "f8"), ("row", "i4"), ("gene_a", "i4"), ("gene_b", "i4")])


class Seen:
    """Statistics as they come, in memory that grows with them.

    count  how many there are

    Memory is given back to a stock: to have it anew of the system for each block takes as long as
    to fill it.
    """

    _stock: ClassVar[list[tuple[np.ndarray, np.ndarray]]] = []

    def __init__(self) -> None:
        self.count = 0
        self._sizes, self._places = np.empty(0), np.empty(0, np.int32)

    @property
    def sizes(self) -> np.ndarray:
        """(count,): |statistics|."""
        return self._sizes[: self.count]

    @property
    def places(self) -> np.ndarray:
        """(count,): of their bins."""
        return self._places[: self.count]

    def room(self, more: int) -> tuple[np.ndarray, np.ndarray]:
        """Sizes and places to write more of; the count is to be raised by as many."""
        if not len(self._sizes) and self._stock:
            self._sizes, self._places = self._stock.pop()
        if (wanted := self.count + more) > len(self._sizes):
            sizes, places = self.sizes, self.places
            room = max(_LEAST_ROOM, 2 * wanted)
            self._sizes, self._places = np.empty(room), np.empty(room, np.int32)
            self.sizes[:], self.places[:] = sizes, places
        return self._sizes[self.count : wanted], self._places[self.count : wanted]

    def clear(self) -> None:
        """Let go of all."""
        if len(self._sizes):
            self._stock.append((self._sizes, self._places))
        self.__init__()

    @classmethod
    def give_up_stock(cls) -> None:
        """Let the system have the memory."""
        cls._stock.clear()


@dataclass
class Family:
    """The tests of one kind.

    degrees  degrees of freedom that its tests can have, 0 for normal ones: a row of bins each
    keep     of how many tests the pairs are kept, at least
    counts   (places,): how many statistics lie in each bin, from those of the smallest p on
    limit    the statistics of places before it are kept
    kept     blocks of PAIR: those statistics, and some that were kept before the limit fell
    seen     all statistics that were added, until they are written
    """

    degrees: tuple[int, ...]
    keep: int
    counts: np.ndarray = field(init=False)
    limit: int = field(init=False)
    kept: list[np.ndarray] = field(default_factory=list)
    seen: Seen = field(default_factory=Seen)

    def __post_init__(self) -> None:
        self.counts = np.zeros(len(self.degrees) * BIN_COUNT, np.int64)
        self.limit = len(self.counts)

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

    def add(
        self, statistics: np.ndarray, rows: np.ndarray, genes_a: np.ndarray, genes_b: np.ndarray
    ) -> None:
        """Take in a tile.

        statistics  (a, b); NaN where there is no test
        rows        (a, b): places of their degrees of freedom
        genes_a     (a,): numbers of the genes; only pairs with gene a before gene b count
        genes_b     (b,)
        """
        place_of = places(self.degrees).place_of
        sizes, found = self.seen.room(statistics.size)
        kept = np.empty(statistics.size, PAIR)
        seen_count, kept_count = _place(
            statistics, rows, genes_a, genes_b, place_of, self.limit,
            sizes, found, self.counts, kept,
        )  # fmt: skip
        self.seen.count += seen_count
        if kept_count:
            self.kept.append(kept[:kept_count].copy())
            if sum(map(len, self.kept)) > 2 * self.keep + statistics.size:
                self.lower_limit()

    def lower_limit(self) -> None:
        """Let go of statistics that can be none of the `keep` with the smallest p, whatever is
        still to come.

        The first places that hold `keep` statistics hold no p above a certain one; kept is what
        lies in any place where p could be as small. So it depends on all statistics together, not
        on the order in which they came.
        """
        own = places(self.degrees)
        enough = int(np.searchsorted(np.cumsum(self.counts), self.keep))
        if enough < len(self.counts):
            most = own.greatest_so_far(self.counts)[enough]
            limit = np.searchsorted(own.least, most, side="right")
            self.limit = min(self.limit, int(limit))
        kept = [part[self._places_of(part) < self.limit] for part in self.kept]
        self.kept = [part for part in kept if len(part)]

    def _places_of(self, kept: np.ndarray) -> np.ndarray:
        return places(self.degrees).place_of[kept["row"], _bins(kept["size"])]

    def merge(self, other: "Family") -> None:
        """Take in what another family counted of other pairs."""
        self.counts += other.counts
        self.kept += other.kept
        if sum(map(len, self.kept)) > 2 * self.keep:
            self.lower_limit()


class Tally:
    """Families of tests on the same pairs."""

    def __init__(self, degrees: Sequence[tuple[int, ...]], keep: int) -> None:
        self.families = [Family(own, keep) for own in degrees]

    def like(self) -> "Tally":
        """An empty one that keeps only what this one would."""
        other = Tally([family.degrees for family in self.families], self.families[0].keep)
        for own, new in zip(self.families, other.families, strict=True):
            new.limit = own.limit
        return other

    def merge(self, other: "Tally") -> None:
        """Take in what another one counted of other pairs."""
        for own, theirs in zip(self.families, other.families, strict=True):
            own.merge(theirs)


@numba.njit(nogil=True, cache=True)
def _bins(sizes: np.ndarray) -> np.ndarray:
    found = np.empty(sizes.size, np.int64)
    for i in range(sizes.size):
        found[i] = bin_of(sizes[i])
    return found


@numba.njit(nogil=True, cache=True)
def _place(statistics, rows, genes_a, genes_b, place_of, limit, sizes, found, counts, kept):
    """Write the sizes and places of all statistics of a tile, count them, and write the pairs of
    those before the limit. Returns how many there are of both."""
    count, kept_count = 0, 0
    for i in range(len(genes_a)):
        own, own_rows, gene = statistics[i], rows[i], genes_a[i]
        for j in range(len(genes_b)):
            value = abs(own[j])
            if value == value and gene < genes_b[j]:
                place = place_of[own_rows[j], bin_of(value)]
                counts[place] += 1
                sizes[count], found[count] = value, place
                count += 1
                if place < limit:
                    kept[kept_count].size, kept[kept_count].row = value, own_rows[j]
                    kept[kept_count].gene_a, kept[kept_count].gene_b = gene, genes_b[j]
                    kept_count += 1
    return count, kept_count
