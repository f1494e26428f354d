"""p-values of very many statistics.

Student's distribution takes 100 ns and more a value, which all pairs of a genome would have to wait
for. Within a bin ln p is so smooth that a polynomial is as good: it interpolates at the Chebyshev
nodes, and what it is off is the next term, which for d degrees of freedom is at most d 2^-57 (half
a bin is 2^-7 of the statistic, and ln p is no steeper than d times the statistic's logarithm), less
than what rounding does.
"""

import functools

import numba
import numpy as np

from pairs.bins import BIN_COUNT, edges, p_value, places

_DEGREE = 6
# Below, p has fewer digits, and in the end none.
_SMALLEST = 1e-290


class PValues:
    """p of statistics that lie in the places of one family.

    degrees  as of bins.places
    """

    def __init__(self, degrees: tuple[int, ...]) -> None:
        self._df = np.array(degrees)
        self._bin_of = places(degrees).bin_of
        self._table = _coefficients(degrees)
        self._is_small = np.isnan(self._table[-1][:, 0])

    def replace(self, sizes: np.ndarray, runs: np.ndarray) -> None:
        """Put ln p in the place of each |statistic|: p is within 4e-13 of itself; where it is above
        1e-100, within 1e-13.

        sizes  place by place
        runs   `place`, and `number` of sizes that lie there; any place may come several times
        """
        bins, numbers = self._bin_of[runs["place"]], runs["number"]
        is_small = np.repeat(small, numbers) if (small := self._is_small[bins]).any() else None
        if is_small is not None:
            df = np.repeat(self._df[bins // BIN_COUNT], numbers)
            exact = p_value(sizes[is_small], df[is_small])
        _evaluate(sizes, bins, numbers, *self._table)
        if is_small is not None:
            with np.errstate(divide="ignore"):
                sizes[is_small] = np.log(exact)


@functools.lru_cache(maxsize=2)
def _coefficients(degrees: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Centres of the bins, 1 / half of their width, and coefficients of ln p by the distance from
    the centre: (rows × bins, _DEGREE + 1). NaN where p is too small, and in the last bin."""
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
    return centre, 1 / half, table.reshape(-1, _DEGREE + 1)


@numba.njit(nogil=True, cache=True)
def _evaluate(sizes, bins, numbers, centre, inverse, table):
    """Put ln p in the place of each size."""
    first = 0
    for run in range(bins.size):
        last = first + numbers[run]
        own = bins[run] % BIN_COUNT
        _evaluate_run(sizes[first:last], centre[own], inverse[own], table[bins[run]])
        first = last


@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _evaluate_run(sizes, middle, scale, c):
    """Of a run; a function of its own, which the compiler has work on several sizes at a time."""
    c0, c1, c2, c3, c4, c5, c6 = c[0], c[1], c[2], c[3], c[4], c[5], c[6]
    for i in range(sizes.size):
        u = (sizes[i] - middle) * scale
        sizes[i] = c0 + u * (c1 + u * (c2 + u * (c3 + u * (c4 + u * (c5 + u * c6)))))
