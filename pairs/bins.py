"""Bins of test statistics, and the p-values at their edges.

A bin is the exponent and the first bits of |statistic| as a 64-bit float: 512 bins to each
doubling, found by a shift. What lies below 2^-6 shares the first bin, what lies at or above 2^34
the last. Edges are floats themselves, so which side of one a statistic is on is certain.
"""

import functools
from dataclasses import dataclass

import numba
import numpy as np
from scipy import special

from pairs.logarithm import bits_of

_BITS = 9
_SHIFT = 52 - _BITS
_LOWEST_EXPONENT, _HIGHEST_EXPONENT = -6, 34
_FIRST = (1023 + _LOWEST_EXPONENT) << _BITS
BIN_COUNT = (_HIGHEST_EXPONENT - _LOWEST_EXPONENT) << _BITS


@numba.njit(inline="always")
def bin_of(size: float) -> int:
    """The bin of a size that is no NaN and not negative."""
    return min(max((bits_of(size) >> _SHIFT) - _FIRST, 0), BIN_COUNT - 1)


def p_value(size: np.ndarray, df: np.ndarray) -> np.ndarray:
    """Two-sided p of |statistics|: Student's with df degrees of freedom, normal where df is 0."""
    df = np.broadcast_to(df, size.shape)
    p = np.empty(size.shape)
    is_normal = df == 0
    p[is_normal] = 2 * special.ndtr(-size[is_normal])
    p[~is_normal] = 2 * special.stdtr(df[~is_normal], -size[~is_normal])
    return p


@dataclass(frozen=True)
class Edges:
    """The bins of one family of tests: a row for each of its degrees of freedom.

    least, greatest  (rows, bins): p of any statistic in the bin lies between these
    order            all bins, flat, from those of the smallest p on
    """

    least: np.ndarray
    greatest: np.ndarray
    order: np.ndarray


@functools.lru_cache(maxsize=2)
def edges(degrees: tuple[int, ...]) -> Edges:
    """The bins of tests with these degrees of freedom; 0 is normal."""
    inner = ((np.arange(1, BIN_COUNT, dtype=np.int64) + _FIRST) << _SHIFT).view(np.float64)
    upper, lower = np.append(inner, np.inf), np.insert(inner, 0, 0.0)
    shape = (len(degrees), BIN_COUNT)
    df = np.array(degrees)[:, None]
    least = p_value(np.broadcast_to(upper, shape), df)
    greatest = p_value(np.broadcast_to(lower, shape), df)
    # Where p are too small to tell apart, the greater statistic goes first.
    size = np.broadcast_to(-lower, least.shape)
    order = np.lexsort((size.ravel(), least.ravel()))
    return Edges(least, greatest, order)
