"""Bins of test statistics, in the order of their p-values.

A bin is the exponent and the first bits of |statistic| as a 64-bit float: 64 bins to each doubling,
found by a shift. What lies below 2^-6 shares the first bin, what lies at or above 2^40 the last: of
the tests here that is only an infinite t, of |r| = 1, since Hartung-Knapp's ends at 1e12. Edges are
floats themselves, so which side of one a statistic is on is certain.

With its bin, the next 32 bits of a statistic are nearly all of it: they leave out 2^-39 of it at
most, and in the first bin 2^-38. As ln p is no steeper than 1 - 2 ln p by the statistic's
logarithm, that is 4e-12 (1 - ln p) of its p.
"""

import functools
from dataclasses import dataclass

import numba
import numpy as np
from scipy import special

from expression_warehouse.pairs.screen.logarithm import bits_of

_BITS = 6
_SHIFT = 52 - _BITS
_LOWEST_EXPONENT, _HIGHEST_EXPONENT = -6, 40
_FIRST = ((1023 + _LOWEST_EXPONENT) << _BITS) - 1
BIN_COUNT = ((_HIGHEST_EXPONENT - _LOWEST_EXPONENT) << _BITS) + 2


@numba.njit(inline="always")
def bin_of(size: float) -> int:
    """The bin of a size that is no NaN and not negative."""
    return min(max((bits_of(size) >> _SHIFT) - _FIRST, 0), BIN_COUNT - 1)


_LOWEST = 2.0**_LOWEST_EXPONENT
_LAST_BELOW = _LOWEST - 2.0 ** (_LOWEST_EXPONENT - 32)
# A sum with it has 2^-32 of the first bin as its last bit.
_ALIGN = 2.0 ** (_LOWEST_EXPONENT + 20)


@numba.njit(inline="always")
def code_of(size: float) -> np.uint32:
    """How far into its bin a size lies, in 2^-32 of the bin's width."""
    first = np.uint32(bits_of(min(size, _LAST_BELOW) + _ALIGN))
    return first if size < _LOWEST else np.uint32(bits_of(size) >> (_SHIFT - 32))


def sizes_of(bins: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """The sizes in the middle of what has such codes; infinite in the last bin."""
    lower, upper = edges()
    width = np.where(np.isinf(upper), np.inf, upper - lower)
    return lower[bins] + width[bins] * ((codes + 0.5) * 2.0**-32)


def edges() -> tuple[np.ndarray, np.ndarray]:
    """The least size of each bin, and the one that all of its sizes are below."""
    inner = ((np.arange(1, BIN_COUNT, dtype=np.int64) + _FIRST) << _SHIFT).view(np.float64)
    return np.insert(inner, 0, 0.0), np.append(inner, np.inf)


def p_value(size: np.ndarray, df: np.ndarray) -> np.ndarray:
    """Two-sided p of |statistics|: Student's with df degrees of freedom, normal where df is 0."""
    df = np.broadcast_to(df, size.shape)
    p = np.empty(size.shape)
    is_normal = df == 0
    p[is_normal] = 2 * special.ndtr(-size[is_normal])
    p[~is_normal] = 2 * special.stdtr(df[~is_normal], -size[~is_normal])
    return p


@dataclass(frozen=True)
class Places:
    """The bins of one family of tests, a row for each of its degrees of freedom, from those of the
    smallest p on: places. A bin's number is row × BIN_COUNT + what `bin_of` says.

    bins      (places,): the bin of a place
    least     (places,): the least p that any statistic in a place can have. It ascends.
    greatest  (places,): the greatest
    """

    bins: np.ndarray
    least: np.ndarray
    greatest: np.ndarray

    def greatest_so_far(self, counts: np.ndarray) -> np.ndarray:
        """(places,): the greatest p that any of the statistics in a place and those before it can
        have; 0 where there are none.

        counts  (places,): how many lie in each
        """
        return np.maximum.accumulate(np.where(counts > 0, self.greatest, 0.0))

    def least_sizes(self, last: int) -> np.ndarray:
        """(rows,): the least size in any place before the last; infinite where there is none."""
        found = np.full(len(self.bins) // BIN_COUNT, np.inf)
        rows, bins = np.divmod(self.bins[:last], BIN_COUNT)
        np.minimum.at(found, rows, edges()[0][bins])
        return found


@functools.lru_cache(maxsize=2)
def places(degrees: tuple[int, ...]) -> Places:
    """The places of tests with these degrees of freedom; 0 is normal."""
    lower, upper = edges()
    shape = (len(degrees), BIN_COUNT)
    df = np.array(degrees)[:, None]
    least = p_value(np.broadcast_to(upper, shape), df).ravel()
    greatest = p_value(np.broadcast_to(lower, shape), df).ravel()
    # Where p are too small to tell apart, the greater statistic goes first.
    bins = np.lexsort((np.broadcast_to(-lower, shape).ravel(), least))
    return Places(bins, least[bins], greatest[bins])
