"""Which contrast of a pair decides: the one with the least Hartung-Knapp p.

Contrasts with different numbers of studies have different degrees of freedom, so their t values
cannot be compared directly, and computing p for 600 million t values would take as long as the
rest of the screen. A table therefore gives ln p to within 4e-5, by linear interpolation in the
coordinate of the histogram bins (histogram.py). If the table picks the wrong one of two contrasts,
their ln p differ by no more than that; p is computed exactly for the contrast picked.

Below p = 1e-50 the table cannot rank contrasts reliably: there, the pair's false discovery rate is
an upper bound.
"""

import functools

import numba
import numpy as np

from expression_warehouse.pairs.engine.histogram import bin_edges, bin_shifts, p_value, t_coordinate

# A cell of the table is 2^_CELL_BITS bins wide; so many cells reach _LEAST_P.
_CELL_BITS, _CELLS = 4, 1 << 15
_LEAST_P = 1e-50


@functools.lru_cache(maxsize=4)
def log_p_table(most: int) -> tuple[np.ndarray, np.ndarray]:
    """ln p of |t| at the edges of cells.

    Returns

    values  (most + 1, _CELLS): by degrees of freedom; the same past _LEAST_P
    shift   (most + 1,): how many bits of the coordinate are within a cell
    """
    values = np.array([_log_p_of_cells(df) for df in range(most + 1)])
    return values, bin_shifts(np.arange(most + 1)) + _CELL_BITS


def _log_p_of_cells(df: int) -> np.ndarray:
    p = p_value(bin_edges(df, np.arange(_CELLS) << _CELL_BITS), np.array(df))
    return np.log(np.maximum(p, p[p > _LEAST_P / 1e3].min()))


@numba.njit(inline="always")
def _log_p(size, df, values, shift):
    coordinate = t_coordinate(size, float(df))
    cell = min(coordinate >> shift[df], _CELLS - 2)
    part = (coordinate & ((1 << shift[df]) - 1)) / float(1 << shift[df])
    left = values[df, cell]
    return left + part * (values[df, cell + 1] - left)


@numba.njit(nogil=True, cache=True, error_model="numpy")
def decide(t, rows, studies, values, shift, statistic, row):
    """The deciding statistic of each pair of a tile.

    t          (contrasts, a, b): Hartung-Knapp's; NaN if there is none
    rows       (contrasts, a, b): degrees of freedom; -1 if the contrast is not eligible
    studies    rows per number of tests in `row`
    values, shift
               of `log_p_table`
    statistic  (a, b), written: t of the contrast with the least p; NaN if none is eligible
    row        (a, b), written: (eligible tests - 1) × studies + its degrees of freedom, or -1
    """
    for i in range(statistic.shape[0]):
        for j in range(statistic.shape[1]):
            tests, chosen, least = 0, -1, np.inf
            for c in range(len(t)):
                size = abs(t[c, i, j])
                if rows[c, i, j] >= 0 and size == size:
                    tests += 1
                    log_p = _log_p(size, rows[c, i, j], values, shift)
                    if log_p < least:
                        chosen, least = c, log_p
            statistic[i, j], row[i, j] = np.nan, -1
            if tests:
                statistic[i, j] = t[chosen, i, j]
                row[i, j] = (tests - 1) * studies + rows[chosen, i, j]
