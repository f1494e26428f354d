"""Blocks: parts of the pairs, each of which can be computed by itself, anywhere."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from expression_warehouse.pairs.contrasts import Design
from expression_warehouse.pairs.engine.deciding import decide, log_p_table
from expression_warehouse.pairs.engine.histogram import p_value
from expression_warehouse.pairs.engine.pooling import pool_tile
from expression_warehouse.pairs.engine.tally import Tally
from expression_warehouse.pairs.engine.transform_store import (
    TransformStore,
    limit_of,
    open_store,
    weight_of,
)

# Genes per side of a tile: what one row of it needs stays in a processor's L2 cache, and all of it
# is large enough for the matrix products. Measured by `python -m bench screen`. With many studies a
# tile has fewer rows, so that its products are no more than these in all.
ROWS, COLUMNS = 256, 256
_FEWEST_ROWS, _PRODUCTS = 64, 1 << 22
# Upper bounds per block, pairs × studies and genes per gene, so that a block takes some seconds,
# and its memory does not depend on the number of genes.
_WORK, _WIDEST = 1 << 25, 8192
# Single pairs at a time: the ranks of one cohort stay in the cache for all of them.
PAIRS = 8192


@dataclass(frozen=True)
class Block:
    """Some genes, each paired with those after it in a range of genes. If `is_partial`: only those
    of them with missing values, with those after them and all without missing values.

    first, last   the genes, last excluded
    start, end    the range, end excluded
    """

    first: int
    last: int
    start: int
    end: int
    is_partial: bool

    def __str__(self) -> str:
        kind = "partial" if self.is_partial else "whole"
        return f"{kind} {self.first}-{self.last} {self.start}-{self.end}"

    @property
    def pair_count(self) -> int:
        """Pairs of its genes with those after them, as a progress bar counts them."""
        if self.is_partial:
            return 0
        rows, both = self.last - self.first, max(0, self.last - self.start)
        return rows * (self.end - self.start) - both * (both + 1) // 2


def block_shape(studies: int, cohorts: int) -> tuple[int, int]:
    """How many genes a block has, and how many others each is paired with, at most."""
    rows = min(ROWS, max(_FEWEST_ROWS, _PRODUCTS // (cohorts * studies * COLUMNS)))
    return rows, min(_WIDEST, max(1, _WORK // (rows * studies * COLUMNS)) * COLUMNS)


def blocks_of(store: TransformStore) -> list[Block]:
    """All blocks: together they have each pair of genes once."""
    genes, (rows, width) = store.gene_count, block_shape(*store.samples.shape)

    def band(first: int, start: int, is_partial: bool) -> list[Block]:
        last = min(first + rows, genes)
        starts = range(start, genes, width)
        return [Block(first, last, i, min(i + width, genes), is_partial) for i in starts]

    firsts = range(0, genes, rows)
    some = [first for first in firsts if store.is_partial[first : first + rows].any()]
    whole = [block for first in firsts for block in band(first, first, False)]
    return whole + [block for first in some for block in band(first, 0, True)]


def new_tallies(store: TransformStore, keep: int) -> list[Tally]:
    """A tally per test of Design.tests. Ad hoc tests are counted, but no pair is kept for them."""
    # Hartung-Knapp's test has k - 1 degrees of freedom; row 0 is of one study, which has no test.
    degrees = tuple(range(len(store.samples)))
    contrasts = range(len(store.design.contrasts))
    # p of a pair is the least p times the number of its tests.
    factors = tuple(tests for c in contrasts for tests in [c + 1] * len(degrees))
    return [
        *[Tally((0,), keep) for _ in contrasts],
        *[Tally(degrees, keep) for _ in contrasts],
        *[Tally(degrees, 1) for _ in contrasts],
        Tally(degrees * len(contrasts), keep, factors),
        *[Tally((0,), keep) for _ in store.design.combined],
    ]


def compute_block(folder: Path, block: Block, empty: list[Tally]) -> list[Tally]:
    """Count all pairs of a block, in one thread if BLAS is limited to one.

    folder  of the transform store
    empty   tallies without counts, whose thresholds say which pairs need not be kept
    """
    store = open_store(folder)
    tallies = [tally.like() for tally in empty]
    if block.is_partial:
        for gene, every in partial_pairs(store, block):
            for start in range(0, len(every), COLUMNS):
                others = every[start : start + COLUMNS]
                pooled = pool_pairs(store, np.full(len(others), gene), others)
                for tally, own, rows in zip(tallies, pooled.statistics, pooled.rows, strict=True):
                    tally.add_gene(own, rows, gene, others)
    else:
        _count_whole(store, block, tallies)
    return tallies


def partial_pairs(store: TransformStore, block: Block) -> Iterator[tuple[int, np.ndarray]]:
    """The genes of a block with missing values, each with the genes it is paired with."""
    genes = np.arange(block.start, block.end, dtype=np.int32)
    for gene in np.flatnonzero(store.is_partial[block.first : block.last]) + block.first:
        yield int(gene), genes[(~store.is_partial[genes] | (genes > gene)) & (genes != gene)]


def tiles(store: TransformStore, block: Block) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The tiles of a block: other genes, and the inner products of the block's genes with them,
    (studies, cohorts, genes, others), which the next tile overwrites."""
    products = np.empty(0)
    for first in range(block.start, block.end, COLUMNS):
        b = np.arange(first, min(first + COLUMNS, block.end), dtype=np.int32)
        if products.shape[-1] != len(b):
            shape = (*store.samples.shape, block.last - block.first, len(b))
            products = np.empty(shape, store.product_type)
        for s, cohorts in enumerate(store.ranks):
            for g, ranks in enumerate(cohorts):
                others = ranks[b[0] : b[-1] + 1]
                np.matmul(ranks[block.first : block.last], others.T, out=products[s, g])
        yield b, products


@dataclass(frozen=True)
class PooledPairs:
    """What was computed of some pairs, in arrays that the next tile may overwrite.

    statistics  (tests, …): Design.tests; NaN if there is no test
    rows        (tests, …), int32: row of the statistic in its tally; -1 if it does not count
    k           (contrasts, …), int32: studies that have the contrast
    """

    statistics: np.ndarray
    rows: np.ndarray
    k: np.ndarray

    @staticmethod
    def empty(store: TransformStore, *shape: int) -> "PooledPairs":
        """Room for the pairs of a tile, or for single pairs."""
        tests, contrasts = len(store.design.tests), len(store.design.contrasts)
        return PooledPairs(
            np.empty((tests, *shape)),
            np.empty((tests, *shape), np.int32),
            np.empty((contrasts, *shape), np.int32),
        )

    def decide(self, store: TransformStore) -> None:
        """Mark the eligible contrasts, and compute the test of the pair."""
        design, studies = store.design, len(store.samples)
        # A contrast of fewer than k_min studies has statistics, but no false discovery rate.
        is_eligible = self.k >= store.settings.k_min
        degrees = np.where(is_eligible, self.k - 1, np.int32(-1))
        self.rows[design.z] = np.minimum(degrees, 0)
        self.rows[design.hk] = self.rows[design.adhoc] = degrees
        decide(
            self.statistics[design.hk], degrees, studies, *log_p_table(max(studies - 1, 1)),
            self.statistics[design.pair], self.rows[design.pair],
        )  # fmt: skip
        is_combined = is_eligible[list(design.combined)].any(axis=0)
        self.rows[design.combinations] = np.where(is_combined, 0, -1)


def _count_whole(store: TransformStore, block: Block, tallies: list[Tally]) -> None:
    a = np.arange(block.first, block.last, dtype=np.int32)
    scale_a = np.ascontiguousarray(store.tile_scale[:, :, block.first : block.last])
    width = 0
    for b, products in tiles(store, block):
        if len(b) != width:
            width = len(b)
            pooled = PooledPairs.empty(store, len(a), width)
            size = np.repeat(store.samples[:, :, None], width, axis=2)
        scale_b = np.ascontiguousarray(store.tile_scale[:, :, b[0] : b[-1] + 1])
        _pool(store, pooled, products, scale_a, scale_b, size)
        for tally, own, rows in zip(tallies, pooled.statistics, pooled.rows, strict=True):
            tally.add(own, rows, a, b)


def pool_pairs(store: TransformStore, a: np.ndarray, b: np.ndarray) -> PooledPairs:
    """Pool single pairs of genes; returns arrays (…, pairs)."""
    return pool_correlations(store, *store.spearman_of_pairs(a, b))


def pool_correlations(store: TransformStore, r: np.ndarray, n: np.ndarray) -> PooledPairs:
    """Pool r of single pairs, each (studies, cohorts, pairs) of n samples; NaN if there is no r.
    Returns arrays (…, pairs)."""
    pooled = PooledPairs.empty(store, r.shape[2])
    has_r, samples = ~np.isnan(r), store.samples[:, :, None]
    is_whole = ((n == samples) & (has_r == (samples > 0))).all(axis=(0, 1))
    whole = np.flatnonzero(is_whole)
    # Those that have all samples of the store are pooled as a tile: weights are computed once, so
    # that they take less than half of the time.
    in_tile = whole[: len(whole) // COLUMNS * COLUMNS]
    others = np.concatenate([whole[len(in_tile) :], np.flatnonzero(~is_whole)])
    limit = limit_of(n[:, :, others])
    within = np.where(has_r[:, :, others], np.clip(r[:, :, others], -limit, limit), 0.0)
    for pairs, products, columns in (
        (in_tile, r[:, :, in_tile], in_tile[:COLUMNS]),
        (others, within, others),
    ):
        if len(pairs):
            shape = (len(pairs) // len(columns), len(columns))
            own = PooledPairs.empty(store, *shape)
            scale_a = np.ones((*store.samples.shape, shape[0]))
            scale_b = np.where(has_r[:, :, columns], 1.0, np.nan)
            size = np.ascontiguousarray(n[:, :, columns])
            tile = products.reshape(*store.samples.shape, *shape)
            _pool(store, own, tile, scale_a, np.ascontiguousarray(scale_b), size)
            for name, array in vars(pooled).items():
                array[:, pairs] = getattr(own, name).reshape(len(array), -1)
    return pooled


def _pool(
    store: TransformStore,
    pooled: PooledPairs,
    products: np.ndarray,
    scale_a: np.ndarray,
    scale_b: np.ndarray,
    size: np.ndarray,
) -> None:
    """Fill `pooled` with what `pool_tile` makes of these arrays.

    size  (studies, cohorts, b): samples
    """
    design = store.design
    pool_tile(
        products,
        scale_a,
        scale_b,
        weight_of(size, store.settings),
        limit_of(store.samples),
        size.astype(float),
        store.settings.se_slope,
        design.sides,
        np.array(design.combined, np.int64),
        pooled.statistics[design.z],
        pooled.statistics[design.hk],
        pooled.statistics[design.adhoc],
        pooled.statistics[design.combinations],
        pooled.k,
    )
    pooled.decide(store)


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
