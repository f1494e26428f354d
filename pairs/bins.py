"""Bins of test statistics, in the order of their p-values.

A bin is the exponent and the first bits of |statistic| as a 64-bit float: 64 bins to each doubling,
found by a shift. What lies below 2^-6 shares the first bin, what lies at or above 2^34 the last.
Edges are floats themselves, so which side of one a statistic is on is certain.
"""

import functools
from dataclasses import dataclass

import numba
import numpy as np
from scipy import special

from pairs.logarithm import bits_of

_BITS = 6
_SHIFT = 52 - _BITS
_LOWEST_EXPONENT, _HIGHEST_EXPONENT = -6, 34
_FIRST = (1023 + _LOWEST_EXPONENT) << _BITS
BIN_COUNT = (_HIGHEST_EXPONENT - _LOWEST_EXPONENT) << _BITS


@numba.njit(inline="always")
def bin_of(size: float) -> int:
    """The bin of a size that is no NaN and not negative."""
    return min(max((bits_of(size) >> _SHIFT) - _FIRST, 0), BIN_COUNT - 1)


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
    smallest p on: places.

    place_of  (rows, bins): the place of a bin
    bin_of    (places,): the bin of a place; row = bin // BIN_COUNT
    least     (places,): the least p that any statistic in a place can have. It ascends.
    greatest  (places,): the greatest
    """

    place_of: np.ndarray
    bin_of: np.ndarray
    least: np.ndarray
    greatest: np.ndarray

    def greatest_so_far(self, counts: np.ndarray) -> np.ndarray:
        """(places,): the greatest p that any of the statistics in a place and those before it can
        have; 0 where there are none.

        counts  (places,): how many lie in each
        """
        return np.maximum.accumulate(np.where(counts > 0, self.greatest, 0.0))


@functools.lru_cache(maxsize=2)
def places(degrees: tuple[int, ...]) -> Places:
    """The places of tests with these degrees of freedom; 0 is normal."""
    lower, upper = edges()
    shape = (len(degrees), BIN_COUNT)
    df = np.array(degrees)[:, None]
    least = p_value(np.broadcast_to(upper, shape), df).ravel()
    greatest = p_value(np.broadcast_to(lower, shape), df).ravel()
    # Where p are too small to tell apart, the greater statistic goes first.
    bin_of = np.lexsort((np.broadcast_to(-lower, shape).ravel(), least))
    place_of = np.empty(len(bin_of), np.int32)
    place_of[bin_of] = np.arange(len(bin_of), dtype=np.int32)
    return Places(place_of.reshape(shape), bin_of, least[bin_of], greatest[bin_of])
