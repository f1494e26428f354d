"""p-values of very many statistics.

Student's distribution takes 100 ns and more a value, which all pairs of a genome would have to wait
for. Within a bin ln p is so smooth that a polynomial is as good: it interpolates at the Chebyshev
nodes, and what it is off is the next term, which for d degrees of freedom is at most d 2^-57 (half
a bin is 2^-7 of the statistic, and ln p is no steeper than d times the statistic's logarithm), less
than what rounding does, and less than what codes leave out.
"""

import functools
from dataclasses import dataclass

import numba
import numpy as np

from expression_warehouse.pairs.screen.bins import BIN_COUNT, edges, p_value, places, sizes_of
from expression_warehouse.pairs.screen.statistic_files import Part

_DEGREE = 6
# Below, p has fewer digits, and in the end none.
_SMALLEST = 1e-290


@dataclass(frozen=True)
class Codes:
    """Statistics, each of which `log_p` can compute ln p of.

    codes    wherever they are
    starts   (runs,): where the codes of each run begin
    numbers  (runs,): how many they are
    bins     (runs,): the bin that they lie in
    table    (bins, _DEGREE + 1): coefficients of ln p
    """

    codes: np.ndarray
    starts: np.ndarray
    numbers: np.ndarray
    bins: np.ndarray
    table: np.ndarray


class PValues:
    """p of statistics that lie in the places of one family.

    table  (bins, _DEGREE + 1): coefficients of ln p; NaN where p is too small
    """

    def __init__(self, degrees: tuple[int, ...]) -> None:
        """Degrees of freedom as of bins.places."""
        self._df = np.array(degrees)
        self._bins = places(degrees).bins
        self.table = _coefficients(degrees)
        self._is_small = np.isnan(self.table[:, 0])

    def split(self, part: Part) -> tuple[np.ndarray, Codes]:
        """ln p of those whose p is too small for a polynomial, and the others."""
        bins, numbers = self._bins[part.runs["place"]], part.runs["number"]
        is_small = self._is_small[bins]
        own = zip(part.starts[is_small], numbers[is_small], bins[is_small], strict=True)
        small = [
            self._exactly(part.codes[start : start + size], number) for start, size, number in own
        ]
        large = (own[~is_small] for own in (part.starts, numbers, bins))
        return np.concatenate([np.empty(0), *small]), Codes(part.codes, *large, self.table)

    def _exactly(self, codes: np.ndarray, number: int) -> np.ndarray:
        """Of one bin, by its number."""
        row, own = divmod(number, BIN_COUNT)
        with np.errstate(divide="ignore"):
            return np.log(p_value(sizes_of(own, codes), self._df[row]))


@functools.lru_cache(maxsize=2)
def _coefficients(degrees: tuple[int, ...]) -> np.ndarray:
    """(bins, _DEGREE + 1): of ln p by the distance from the centre of the bin, which is 1 at its
    edges. NaN where p is too small, and in the last bin."""
    lower, upper = edges()
    upper[-1] = 2 * lower[-1]
    centre, half = (lower + upper) / 2, (upper - lower) / 2
    nodes = np.cos(np.pi * (np.arange(_DEGREE + 1) + 0.5) / (_DEGREE + 1))
    powers = np.linalg.inv(np.vander(nodes, increasing=True)).T
    table = np.empty((len(degrees), BIN_COUNT, _DEGREE + 1))
    for own, df in zip(table, degrees, strict=True):
        p = p_value(centre[:, None] + half[:, None] * nodes, np.array(df))
        p[(p < _SMALLEST).any(axis=1)] = np.nan
        p[-1] = np.nan
        logarithm = np.log(p)
        # What is left over from the middle one is small, and so are its rounding errors.
        middle = logarithm[:, [_DEGREE // 2]]
        own[:] = (logarithm - middle) @ powers
        own[:, :1] += middle
    return table.reshape(-1, _DEGREE + 1)


@numba.njit(inline="always")
def log_p(code, c0, c1, c2, c3, c4, c5, c6):
    """ln p of a code, where these are the coefficients of its bin."""
    u = (code + 0.5) * 2.0**-31 - 1.0
    return c0 + u * (c1 + u * (c2 + u * (c3 + u * (c4 + u * (c5 + u * c6)))))
