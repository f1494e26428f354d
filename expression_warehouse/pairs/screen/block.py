"""Blocks: parts of the pairs, each of which can be computed by itself, anywhere."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from expression_warehouse.pairs.screen.deciding import decide, log_p_table
from expression_warehouse.pairs.screen.pooling import pool_tile
from expression_warehouse.pairs.screen.tally import Tally
from expression_warehouse.pairs.screen.transform_store import (
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
    empty   tallies that tell what can be left out
    """
    store = open_store(folder)
    tallies = [tally.like() for tally in empty]
    if block.is_partial:
        for gene, others in partial_pairs(store, block):
            for start in range(0, len(others), COLUMNS):
                _count_partial(store, gene, others[start : start + COLUMNS], tallies)
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
    def empty(store: TransformStore, shape: tuple[int, int]) -> "PooledPairs":
        """Room for the pairs of a tile."""
        tests, contrasts = len(store.design.tests), len(store.design.contrasts)
        return PooledPairs(
            np.empty((tests, *shape)),
            np.empty((tests, *shape), np.int32),
            np.empty((contrasts, *shape), np.int32),
        )

    def decide(self, store: TransformStore) -> None:
        """Tell what counts, and fill in the test of the pair."""
        contrasts, studies = len(self.k), len(store.samples)
        # A contrast of fewer studies has statistics, but no false discovery rate.
        is_eligible = self.k >= store.settings.k_min
        degrees = self.rows[contrasts : 2 * contrasts]
        np.copyto(degrees, np.where(is_eligible, self.k - 1, -1))
        self.rows[:contrasts] = np.minimum(degrees, 0)
        self.rows[2 * contrasts : 3 * contrasts] = degrees
        table, pair = log_p_table(max(studies - 1, 1)), 3 * contrasts
        decide(
            self.statistics[contrasts : 2 * contrasts], degrees, studies,
            table.values, table.start, table.shift, self.statistics[pair], self.rows[pair],
        )  # fmt: skip
        if both := store.design.combined:
            self.rows[pair + 1 :] = np.where(is_eligible[list(both)].any(axis=0), 0, -1)


def pool_pairs(store: TransformStore, a: np.ndarray, b: np.ndarray) -> PooledPairs:
    """Single pairs, their arrays (…, pairs)."""
    pooled = PooledPairs.empty(store, (1, len(a)))
    is_partial = store.is_partial[a] | store.is_partial[b]
    for start in range(0, len(a), PAIRS):
        whole = np.flatnonzero(~is_partial[start : start + PAIRS]) + start
        if len(whole):
            scale = store.inverse[:, :, a[whole]] * store.inverse[:, :, b[whole]]
            size = np.repeat(store.samples[:, :, None], len(whole), axis=2)
            _put(pooled, whole, _pool_row(store, store.products(a[whole], b[whole]), scale, size))
    for i in np.flatnonzero(is_partial):
        r, n = store.spearman_of_gene(int(a[i]), b[[i]])
        _put(pooled, np.array([i]), pool_correlations(store, r, n))
    return PooledPairs(pooled.statistics[:, 0], pooled.rows[:, 0], pooled.k[:, 0])


def _put(pooled: PooledPairs, pairs: np.ndarray, own: PooledPairs) -> None:
    for name, array in vars(pooled).items():
        array[:, :, pairs] = getattr(own, name)


def _count_whole(store: TransformStore, block: Block, tallies: list[Tally]) -> None:
    a = np.arange(block.first, block.last, dtype=np.int32)
    scale_a = np.ascontiguousarray(store.tile_scale[:, :, block.first : block.last])
    width = 0
    for b, products in tiles(store, block):
        if len(b) != width:
            width = len(b)
            pooled = PooledPairs.empty(store, (len(a), width))
            size = np.repeat(store.samples[:, :, None], width, axis=2)
        scale_b = np.ascontiguousarray(store.tile_scale[:, :, b[0] : b[-1] + 1])
        _pool(store, pooled, products, scale_a, scale_b, size)
        _count(tallies, pooled, a, b)


def _count_partial(
    store: TransformStore, gene: int, others: np.ndarray, tallies: list[Tally]
) -> None:
    pooled = pool_correlations(store, *store.spearman_of_gene(gene, others))
    is_after, genes = others > gene, np.array([gene], np.int32)
    after, before = (
        PooledPairs(*(array[:, :, chosen] for array in vars(pooled).values()))
        for chosen in (is_after, ~is_after)
    )
    _count(tallies, after, genes, others[is_after])
    turned = PooledPairs(*(array.transpose(0, 2, 1) for array in vars(before).values()))
    _count(tallies, turned, others[~is_after], genes)


def pool_correlations(store: TransformStore, r: np.ndarray, n: np.ndarray) -> PooledPairs:
    """Pool r of single pairs, each (studies, cohorts, pairs) of n samples; NaN if there is no r.
    Returns arrays (…, 1, pairs)."""
    pooled = PooledPairs.empty(store, (1, r.shape[2]))
    has_r, takes_part = ~np.isnan(r), store.samples[:, :, None] > 0
    is_whole = ((n == store.samples[:, :, None]) & (has_r == takes_part)).all(axis=(0, 1))
    whole, others = np.flatnonzero(is_whole), np.flatnonzero(~is_whole)
    in_tile = len(whole) // COLUMNS * COLUMNS
    if in_tile:
        _put(pooled, whole[:in_tile], _pool_tile_of_pairs(store, r[:, :, whole[:in_tile]]))
    if len(others := np.concatenate([whole[in_tile:], others])):
        r, n, has_r = r[:, :, others], n[:, :, others], has_r[:, :, others]
        limit = limit_of(n)
        within = np.where(has_r, np.clip(r, -limit, limit), 0.0)
        _put(pooled, others, _pool_row(store, within, np.where(has_r, 1.0, np.nan), n))
    return pooled


def _pool_tile_of_pairs(store: TransformStore, r: np.ndarray) -> PooledPairs:
    """Pool r of single pairs that all have the samples of the store, as if they were a tile: their
    weights are computed once. (studies, cohorts, pairs) → (…, 1, pairs)."""
    shape = (r.shape[2] // COLUMNS, COLUMNS)
    pooled = PooledPairs.empty(store, shape)
    one = np.where(store.samples[:, :, None] > 0, 1.0, np.nan)
    rows, columns = (np.repeat(one, count, axis=2) for count in shape)
    size = np.repeat(store.samples[:, :, None], COLUMNS, axis=2)
    _pool(store, pooled, r.reshape(*store.samples.shape, *shape), rows, columns, size)
    flat = (array.reshape(len(array), 1, -1) for array in vars(pooled).values())
    return PooledPairs(*flat)


def _pool_row(
    store: TransformStore, products: np.ndarray, scale: np.ndarray, size: np.ndarray
) -> PooledPairs:
    """Pool single pairs: (studies, cohorts, pairs) → (…, 1, pairs)."""
    pooled = PooledPairs.empty(store, (1, products.shape[2]))
    products = np.ascontiguousarray(products[:, :, None, :])
    one = np.ones((*products.shape[:2], 1))
    _pool(store, pooled, products, one, np.ascontiguousarray(scale), size)
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
    pool_tile(
        products,
        scale_a,
        scale_b,
        weight_of(size, store.settings),
        limit_of(store.samples),
        size.astype(float),
        store.settings.se_slope,
        store.design.sides,
        np.array(store.design.combined, np.int64),
        pooled.statistics,
        pooled.k,
    )
    pooled.decide(store)


def _count(tallies: list[Tally], pooled: PooledPairs, a: np.ndarray, b: np.ndarray) -> None:
    for tally, statistics, rows in zip(tallies, pooled.statistics, pooled.rows, strict=True):
        tally.add(np.ascontiguousarray(statistics), np.ascontiguousarray(rows), a, b)
