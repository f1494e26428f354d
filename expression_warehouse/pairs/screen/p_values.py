"""p of all tests of single pairs."""

import numpy as np

from expression_warehouse.pairs.screen.block import PooledPairs
from expression_warehouse.pairs.screen.histogram import p_value


def p_values(pooled: PooledPairs, tests: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """p of all tests, (tests, pairs), also of contrasts with too few studies; and the position of
    the contrast that decides each pair, -1 if none does.

    pooled  single pairs
    tests   Design.tests

    p of `pair` is exact: the least p of its eligible Hartung-Knapp tests, times their number.
    """
    contrasts, pair = len(pooled.k), tests.index("pair")
    hk = slice(contrasts, 2 * contrasts)
    p = np.full(pooled.statistics.shape, np.nan)
    for test, statistic in enumerate(pooled.statistics):
        is_tested = ~np.isnan(statistic)
        is_student = contrasts <= test < pair
        degrees = pooled.k[test % contrasts] - 1 if is_student else np.zeros_like(pooled.k[0])
        p[test, is_tested] = p_value(np.abs(statistic[is_tested]), degrees[is_tested])
    p_hk = np.where(pooled.rows[hk] >= 0, p[hk], np.nan)
    count = np.count_nonzero(~np.isnan(p_hk), axis=0)
    least = np.fmin.reduce(p_hk, axis=0)
    p[pair] = np.minimum(1.0, count * least)
    deciding = np.where(count > 0, np.argmax(p_hk == least, axis=0), -1)
    return p, deciding
