"""Pairs of genes with their pooled contrasts: statistics, and p of all tests."""

from dataclasses import dataclass

import numpy as np

from expression_warehouse.pairs.contrasts import Design
from expression_warehouse.pairs.engine.deciding import decide, log_p_table
from expression_warehouse.pairs.engine.histogram import p_value
from expression_warehouse.pairs.engine.pooling import COLUMNS, pool_tile
from expression_warehouse.pairs.engine.transform_store import TransformStore

# Single pairs at a time: the ranks of one cohort stay in the cache for all of them.
PAIRS = 8192


@dataclass(frozen=True)
class PooledPairs:
    """What was computed of some pairs.

    statistics  (tests, …): Design.tests; NaN if there is no test
    rows        (tests, …), int32: row of the statistic in its tally; -1 if it does not count
    k           (contrasts, …), int32: studies that have the contrast
    """

    statistics: np.ndarray
    rows: np.ndarray
    k: np.ndarray


def limit_of(samples: np.ndarray) -> np.ndarray:
    """Greatest |r| of so many samples, as clip_r in macros/stats/fisher_z.sql; 0 without any."""
    n = samples.astype(float)
    return 1 - 6 / np.maximum(n * (n * n - 1), 6)


def _room(store: TransformStore, *shape: int) -> PooledPairs:
    """For the pairs of a tile, or for single pairs."""
    tests, contrasts = len(store.design.tests), len(store.design.contrasts)
    return PooledPairs(
        np.empty((tests, *shape)),
        np.empty((tests, *shape), np.int32),
        np.empty((contrasts, *shape), np.int32),
    )


def pool_products(
    store: TransformStore,
    products: np.ndarray,
    scale_a: np.ndarray,
    scale_b: np.ndarray,
    size: np.ndarray,
) -> PooledPairs:
    """Pool a tile, as `pool_tile`, and find the test of each pair; returns arrays (…, a, b).

    products, scale_a, scale_b
          as of `pool_tile`
    size  (studies, cohorts, b): samples
    """
    design, studies = store.design, len(store.samples)
    pooled = _room(store, *products.shape[2:])
    # pool_tile is compiled for this layout.
    products, scale_a, scale_b = map(np.ascontiguousarray, (products, scale_a, scale_b))
    size = np.ascontiguousarray(size, float)
    pool_tile(
        products,
        scale_a,
        scale_b,
        # 1 / variance of Fisher's z of a Spearman r of 0; 0 if no r is defined.
        np.maximum(size - 3.0, 0.0) / store.settings.se_factor,
        limit_of(store.samples),
        size,
        store.settings.se_slope,
        design.sides,
        np.array(design.combined, np.int64),
        pooled.statistics[design.z],
        pooled.statistics[design.hk],
        pooled.statistics[design.adhoc],
        pooled.statistics[design.combinations],
        pooled.k,
    )
    # A contrast of fewer than k_min studies has statistics, but no false discovery rate.
    is_eligible = pooled.k >= store.settings.k_min
    degrees = np.where(is_eligible, pooled.k - 1, np.int32(-1))
    pooled.rows[design.z] = np.minimum(degrees, 0)
    pooled.rows[design.hk] = pooled.rows[design.adhoc] = degrees
    decide(
        pooled.statistics[design.hk], degrees, studies, *log_p_table(max(studies - 1, 1)),
        pooled.statistics[design.pair], pooled.rows[design.pair],
    )  # fmt: skip
    is_combined = is_eligible[list(design.combined)].any(axis=0)
    pooled.rows[design.combinations] = np.where(is_combined, 0, -1)
    return pooled


def pool_pairs(store: TransformStore, a: np.ndarray, b: np.ndarray) -> PooledPairs:
    """Pool single pairs of genes; returns arrays (…, pairs)."""
    return pool_correlations(store, *store.spearman_of_pairs(a, b))


def pool_correlations(store: TransformStore, r: np.ndarray, n: np.ndarray) -> PooledPairs:
    """Pool single pairs; returns arrays (…, pairs).

    r  (studies, cohorts, pairs): Spearman's r; NaN if there is none
    n  (studies, cohorts, pairs): its samples
    """
    has_r, samples = ~np.isnan(r), store.samples[:, :, None]
    is_whole = ((n == samples) & (has_r == (samples > 0))).all(axis=(0, 1))
    # Those that have all samples of the store are pooled as a tile: weights are computed once, so
    # that they take less than half of the time.
    in_tile = np.count_nonzero(is_whole) // COLUMNS * COLUMNS
    order = np.argsort(~is_whole, kind="stable")
    pooled = _room(store, len(order))
    for pairs, width in ((order[:in_tile], COLUMNS), (order[in_tile:], len(order) - in_tile)):
        if len(pairs):
            columns = pairs[:width]
            limit = limit_of(n[:, :, None, columns])
            products = r[:, :, pairs].reshape(*store.samples.shape, -1, width)
            products = np.where(np.isnan(products), 0.0, np.clip(products, -limit, limit))
            scale = np.where(has_r[:, :, columns], 1.0, np.nan)
            ones = np.ones(products.shape[:3])
            own = pool_products(store, products, ones, scale, n[:, :, columns])
            for name, array in vars(pooled).items():
                array[:, pairs] = getattr(own, name).reshape(len(array), -1)
    return pooled


def p_values(pooled: PooledPairs, design: Design) -> tuple[np.ndarray, np.ndarray]:
    """p of all tests, (tests, pairs), also of contrasts with too few studies; and the position of
    the contrast that decides each pair, -1 if none does.

    pooled  single pairs

    p of `pair` is exact: the least p of its eligible Hartung-Knapp tests, times their number.
    """
    p, degrees = np.full(pooled.statistics.shape, np.nan), np.zeros_like(pooled.rows)
    degrees[design.hk] = degrees[design.adhoc] = pooled.k - 1
    for of_test, statistic, df in zip(p, pooled.statistics, degrees, strict=True):
        is_tested = ~np.isnan(statistic)
        of_test[is_tested] = p_value(np.abs(statistic[is_tested]), df[is_tested])
    p_hk = np.where(pooled.rows[design.hk] >= 0, p[design.hk], np.nan)
    count = np.count_nonzero(~np.isnan(p_hk), axis=0)
    least = np.fmin.reduce(p_hk, axis=0)
    p[design.pair] = np.minimum(1.0, count * least)
    deciding = np.where(count > 0, np.argmax(p_hk == least, axis=0), -1)
    return p, deciding
