"""Fine histograms of test statistics.

In a bin, p changes by a factor of at most e^WIDTH. Bins are equal steps of u, a function of the
statistic s that grows at least as fast as -ln p:

- Normal: u = 0.8 s + s²/2, so du/ds = s + 0.8. The hazard of a normal, -d ln p / ds, is 0.798 at
  s = 0, and its excess over s falls from there. So it is below du/ds everywhere.
- Student's t with d degrees of freedom: u = d/2 ln y with y = 1 + (1.6 s + s²)/d, which tends to
  the normal u. The hazard of t exceeds du/ds by a factor of at most 1.288 (at d = 1, s = 1.3).
  Steps are of the bits of y as a float, which are its logarithm to base 2, linear within each
  octave: with b bits of the mantissa, a step of ln y is at most 2^-b.

tests/python/test_false_discovery.py computes the width of each bin down to p = 1e-300.
"""

import functools
from dataclasses import dataclass, field

import numba
import numpy as np
from scipy import special

from expression_warehouse.pairs.engine.logarithm import bits_of

# Widest bin, in ln p: e^WIDTH is 1.00091. What is left to 1.001 is for deciding.py.
WIDTH = 9.1e-4
# Twice the density of a standard normal at 0, rounded up, as in the module's docstring.
_SLOPE = 1.6
_STEEPEST_T = 1.3
_NORMAL_SCALE = 0.5 / WIDTH
# The bits of the float 1 as an integer, and how far from it those of infinity are.
_ONE, _OCTAVES = 1023 << 52, 1024 << 52
# Counts are allocated in pages of bins, when a statistic needs one. So many pages reach p = 1e-300.
PAGE_BITS = 12
PAGE = 1 << PAGE_BITS
PAGES = 640
_LAST = PAGES * PAGE - 1


def p_value(size: np.ndarray, df: np.ndarray) -> np.ndarray:
    """Two-sided p of |statistics|: Student's with df degrees of freedom, normal if df is 0."""
    df = np.broadcast_to(df, size.shape)
    p = np.empty(size.shape)
    is_normal = df == 0
    p[is_normal] = 2 * special.ndtr(-size[is_normal])
    p[~is_normal] = 2 * special.stdtr(df[~is_normal], -size[~is_normal])
    return p


def bin_shifts(degrees: np.ndarray | int) -> np.ndarray:
    """Per degrees of freedom, how many of a float's 52 mantissa bits a bin leaves out."""
    bits = np.log2(_STEEPEST_T * np.maximum(degrees, 1) / (2 * WIDTH))
    return 52 - np.ceil(bits).astype(np.int64)


@numba.njit(inline="always")
def normal_bin(size: float) -> np.int32:
    """The bin of a |z|."""
    return np.int32(min(size * (_SLOPE + size) * _NORMAL_SCALE, float(_LAST)))


@numba.njit(inline="always")
def t_coordinate(size: float, df: float) -> int:
    """The bits of a |t|'s y, minus those of 1."""
    return bits_of(1.0 + size * (_SLOPE + size) / df) - _ONE


@numba.njit(inline="always")
def t_bin(size: float, df: float, shift: int) -> np.int32:
    """The bin of a |t|."""
    return np.int32(min(t_coordinate(size, df) >> shift, _LAST))


def bin_edges(df: np.ndarray | int, bins: np.ndarray) -> np.ndarray:
    """The smallest |statistic| in each bin; infinite past the last bin."""
    shift, half = bin_shifts(df), _SLOPE / 2
    finite = np.minimum(bins, _OCTAVES >> shift).astype(np.int64)
    with np.errstate(over="ignore", invalid="ignore"):
        of_t = ((_ONE + (finite << shift)).view(np.float64) - 1.0) * df
        x = np.where(df == 0, bins / _NORMAL_SCALE, of_t)
        edges = x / (half + np.sqrt(half * half + x))
    return np.where((bins > _LAST) | np.isinf(x), np.inf, edges)


@functools.lru_cache(maxsize=1024)
def _edge_p_values(df: int, page: int) -> np.ndarray:
    """(PAGE + 1,): p at the edges of a page's bins; it descends."""
    bins = np.arange(page * PAGE, (page + 1) * PAGE + 1)
    return p_value(bin_edges(df, bins), np.array(df))


@dataclass
class Histogram:
    """Counts of statistics per row and bin.

    degrees  (rows,): degrees of freedom, 0 if normal
    factors  (rows,): p of a statistic is so many times that of its distribution, at most 1
    page_of  (rows, PAGES), int32: which of `pages` has the counts; -1 if all are 0
    pages    (allocated, PAGE), int64
    used     how many of the pages are in use
    """

    degrees: np.ndarray
    factors: np.ndarray
    page_of: np.ndarray = field(init=False)
    pages: np.ndarray = field(init=False)
    used: int = 0

    def __post_init__(self) -> None:
        self.page_of = np.full((len(self.degrees), PAGES), -1, np.int32)
        self.pages = np.zeros((0, PAGE), np.int64)

    @property
    def total(self) -> int:
        """How many statistics were counted."""
        return int(self.pages[: self.used].sum())

    def merge(self, other: "Histogram") -> None:
        """Add the counts of another histogram with the same rows."""
        for row, page in np.argwhere(other.page_of >= 0):
            counts = other.pages[other.page_of[row, page]]
            if self.page_of[row, page] < 0:
                self.page_of[row, page] = self.used
                self.pages, self.used = allocate_page(self.pages, self.used)
            self.pages[self.page_of[row, page]] += counts

    def filled_bins(self) -> tuple[np.ndarray, np.ndarray]:
        """The count of each bin that has one, and the greatest p of the bin."""
        counts, greatest = [np.empty(0, np.int64)], [np.empty(0)]
        for row, page in np.argwhere(self.page_of >= 0):
            page_counts = self.pages[self.page_of[row, page]]
            filled = np.flatnonzero(page_counts)
            counts.append(page_counts[filled])
            edges = _edge_p_values(int(self.degrees[row]), int(page))[filled]
            greatest.append(np.minimum(1.0, self.factors[row] * edges))
        return np.concatenate(counts), np.concatenate(greatest)

    def sizes_at(self, p: float) -> np.ndarray:
        """(rows,): the smallest |statistic| of the first bin that can hold a p this small."""
        low, high = np.zeros(len(self.degrees), np.int64), np.full(len(self.degrees), _LAST)
        while (low < high).any():
            middle = (low + high) // 2
            sizes = bin_edges(self.degrees, middle + 1)
            reaches = self.factors * p_value(sizes, self.degrees) <= p
            low = np.where(reaches, low, np.minimum(middle + 1, high))
            high = np.where(reaches, middle, high)
        return bin_edges(self.degrees, low)


@numba.njit(nogil=True, cache=True)
def allocate_page(pages: np.ndarray, used: int) -> tuple[np.ndarray, int]:
    """The pages with one more of them in use, copied to twice the room if none was free."""
    if used == len(pages):
        larger = np.zeros((2 * used + 8, pages.shape[1]), np.int64)
        larger[:used] = pages
        pages = larger
    return pages, used + 1
