"""What one test says of all pairs, in bounded memory: a histogram, and the best candidates."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numba
import numpy as np

from expression_warehouse.pairs.engine.histogram import (
    PAGE,
    PAGE_BITS,
    Histogram,
    allocate_page,
    bin_shifts,
    normal_bin,
    p_value,
    t_bin,
)

CANDIDATE = np.dtype([("size", "f8"), ("row", "i4"), ("gene_a", "i4"), ("gene_b", "i4")])

# Relative error of a p, generously: of its computation here, in SQL or on another processor.
ROUNDING = 1e-7


def pair_numbers(candidates: np.ndarray) -> np.ndarray:
    """Both genes of each candidate in one number."""
    return candidates["gene_a"].astype(np.int64) << 32 | candidates["gene_b"]


@dataclass
class Tally:
    """Statistics of one test.

    degrees     degrees of freedom of each row
    factors     of each row's p, as in Histogram
    histogram   of all statistics
    keep        how many pairs with the smallest p are wanted
    least       (rows,): a |statistic| at or above it is a candidate
    complete    all tests with p at or below it are among the candidates
    candidates  CANDIDATE arrays; some may lie below `least`, which has risen since
    """

    degrees: tuple[int, ...]
    keep: int
    factors: tuple[int, ...] = ()
    histogram: Histogram = field(init=False)
    least: np.ndarray = field(init=False)
    complete: float = 1.0
    candidates: list[np.ndarray] = field(default_factory=list)

    def __post_init__(self) -> None:
        factors = self.factors or (1,) * len(self.degrees)
        self.histogram = Histogram(np.array(self.degrees), np.array(factors, float))
        self.least = np.zeros(len(self.degrees))

    def like(self) -> "Tally":
        """An empty tally that leaves out what this one would."""
        empty = Tally(self.degrees, self.keep, self.factors)
        empty.least, empty.complete = self.least, self.complete
        return empty

    def arrays(self) -> dict[str, np.ndarray]:
        """What `restored` needs, for a file."""
        histogram = self.histogram
        return {
            "pages": histogram.pages[: histogram.used],
            "page_of": histogram.page_of,
            "least": self.least,
            "complete": np.array(self.complete),
            "candidates": np.concatenate([np.empty(0, CANDIDATE), *self.candidates]),
        }

    def restored(self, arrays: Mapping[str, np.ndarray]) -> "Tally":
        """A tally of the same test with these contents."""
        tally = Tally(self.degrees, self.keep, self.factors)
        tally.histogram.page_of = arrays["page_of"]
        tally.histogram.pages = arrays["pages"]
        tally.histogram.used = len(arrays["pages"])
        tally.least, tally.complete = arrays["least"], float(arrays["complete"])
        tally.candidates = [arrays["candidates"]]
        return tally

    def add(
        self, statistics: np.ndarray, rows: np.ndarray, genes_a: np.ndarray, genes_b: np.ndarray
    ) -> None:
        """Count a tile.

        statistics  (a, b); NaN if there is no test
        rows        (a, b), int32: position in `degrees`; -1 if the statistic does not count
        genes_a     (a,), int32; only pairs with gene a before gene b are counted
        genes_b     (b,), int32
        """
        histogram, best = self.histogram, np.empty(statistics.size, CANDIDATE)
        df = histogram.degrees
        histogram.pages, histogram.used, count = _count_tile(
            statistics, rows, genes_a, genes_b, self.least, df.astype(float), bin_shifts(df),
            histogram.page_of, histogram.pages, histogram.used, best,
        )  # fmt: skip
        if count:
            self.candidates.append(best[:count].copy())
            self._prune(2 * self.keep + statistics.size)

    def add_gene(
        self, statistics: np.ndarray, rows: np.ndarray, gene: int, others: np.ndarray
    ) -> None:
        """Count pairs of one gene with others before or after it.

        statistics, rows  (others,): as of `add`
        """
        one, after, before = np.array([gene], np.int32), others > gene, others < gene
        self.add(statistics[None, after], rows[None, after], one, others[after])
        self.add(statistics[before, None], rows[before, None], others[before], one)

    def merge(self, other: "Tally") -> None:
        """Add what another tally counted of other pairs."""
        self.histogram.merge(other.histogram)
        self.candidates += other.candidates
        self._prune(2 * self.keep)

    def sorted_candidates(self) -> tuple[np.ndarray, np.ndarray]:
        """The candidates and their p, ascending; equal p in order of the gene numbers, and those of
        0 from the greatest statistic on. The first `keep` are those of all tests."""
        self._prune(0)
        candidates = np.concatenate([np.empty(0, CANDIDATE), *self.candidates])
        rows = candidates["row"]
        p = p_value(candidates["size"], self.histogram.degrees[rows])
        p = np.minimum(1.0, self.histogram.factors[rows] * p)
        by_size = np.where(p == 0, -candidates["size"], 0.0)
        order = np.lexsort((pair_numbers(candidates), by_size, p))
        return candidates[order], p[order]

    def _prune(self, limit: int) -> None:
        """Drop candidates that cannot be among the first `keep`, if there are more than `limit`.

        Bins that together hold `keep` tests bound the p of the last of them, whatever is counted
        later. The bound depends on the counts alone, not on the order in which they came.
        """
        if sum(map(len, self.candidates)) <= limit:
            return
        counts, greatest = self.histogram.filled_bins()
        order = np.argsort(greatest)
        enough = np.searchsorted(np.cumsum(counts[order]), self.keep)
        if enough < len(order):
            bound = greatest[order[enough]] * (1 + ROUNDING)
            if bound < self.complete:
                self.complete = bound
                self.least = np.maximum(self.least, self.histogram.sizes_at(bound))
        pruned = [array[array["size"] >= self.least[array["row"]]] for array in self.candidates]
        self.candidates = [array for array in pruned if len(array)]


@numba.njit(nogil=True, cache=True)
def _count_tile(statistics, rows, genes_a, genes_b, least, df, shift, page_of, pages, used, best):
    """Count a tile's statistics in the pages, and write its candidates; returns the pages, how many
    are in use, and how many candidates there are."""
    bins = np.empty(len(genes_b), np.int32)
    count = 0
    for i in range(len(genes_a)):
        _find_bins(statistics[i], rows[i], genes_a[i], genes_b, df, shift, bins)
        j = _increment(bins, rows[i], page_of, pages, 0)
        while j < len(bins):
            page_of[rows[i, j], bins[j] >> PAGE_BITS] = used
            pages, used = allocate_page(pages, used)
            j = _increment(bins, rows[i], page_of, pages, j)
        for j in range(len(bins)):
            if bins[j] >= 0 and abs(statistics[i, j]) >= least[rows[i, j]]:
                best[count].size, best[count].row = abs(statistics[i, j]), rows[i, j]
                best[count].gene_a, best[count].gene_b = genes_a[i], genes_b[j]
                count += 1
    return pages, used, count


# A loop of its own, so that the compiler can vectorise it. It writes -1 for what does not count.
@numba.njit(nogil=True, cache=True, error_model="numpy")
def _find_bins(statistics, rows, gene_a, genes_b, df, shift, bins):
    is_normal = df[0] == 0.0 and len(df) == 1
    for j in range(bins.size):
        size, row = abs(statistics[j]), max(rows[j], 0)
        counts = (size == size) & (rows[j] >= 0) & (gene_a < genes_b[j])
        place = normal_bin(size) if is_normal else t_bin(size, df[row], shift[row])
        bins[j] = place if counts else -1


@numba.njit(nogil=True, cache=True)
def _increment(bins, rows, page_of, pages, first):
    """Count from `first` on; returns the first one whose page is not allocated, if any."""
    for j in range(first, bins.size):
        if bins[j] >= 0:
            page = page_of[rows[j], bins[j] >> PAGE_BITS]
            if page < 0:
                return j
            pages[page, bins[j] & (PAGE - 1)] += 1
    return bins.size
