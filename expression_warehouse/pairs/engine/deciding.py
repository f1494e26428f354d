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

# A cell of the table is 2^_CELL_BITS bins wide.
_CELL_BITS = 4
_LEAST_P = 1e-50


@functools.lru_cache(maxsize=4)
def log_p_table(most: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """ln p of |t| at the edges of cells, one piece per degrees of freedom from 1 to `most`.

    Returns

    values  the pieces, one after the other
    start   (most + 2,): first value of the piece of so many degrees of freedom; none for 0
    shift   (most + 1,): how many bits of the coordinate are within a cell
    """
    pieces = [np.empty(0), *map(_piece, range(1, most + 1))]
    start = np.concatenate([[0], np.cumsum([len(piece) for piece in pieces])])
    return np.concatenate(pieces), start, bin_shifts(np.arange(most + 1)) + _CELL_BITS


def _piece(df: int) -> np.ndarray:
    """ln p at the edges of all cells down to _LEAST_P."""
    cells = 1024
    while True:
        p = p_value(bin_edges(df, np.arange(cells) << _CELL_BITS), np.array(df))
        if p[-1] < _LEAST_P:
            return np.log(p[p > _LEAST_P / 1e3])
        cells *= 2


@numba.njit(inline="always")
def _log_p(size, df, values, start, shift):
    coordinate = t_coordinate(size, float(df))
    cell = coordinate >> shift[df]
    first, last = start[df], start[df + 1] - 1
    if first + cell >= last:
        return values[last]
    part = (coordinate & ((1 << shift[df]) - 1)) / float(1 << shift[df])
    left = values[first + cell]
    return left + part * (values[first + cell + 1] - left)


@numba.njit(nogil=True, cache=True, error_model="numpy")
def decide(t, rows, studies, values, start, shift, statistic, row):
    """The deciding statistic of each pair of a tile.

    t          (contrasts, a, b): Hartung-Knapp's; NaN if there is none
    rows       (contrasts, a, b): degrees of freedom; -1 if the contrast is not eligible
    studies    rows per number of tests in `row`
    values, start, shift
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
                    log_p = _log_p(size, rows[c, i, j], values, start, shift)
                    if log_p < least:
                        chosen, least = c, log_p
            statistic[i, j], row[i, j] = np.nan, -1
            if tests:
                statistic[i, j] = t[chosen, i, j]
                row[i, j] = (tests - 1) * studies + rows[chosen, i, j]
