"""Blocks: parts of the pairs, each of which can be computed by itself, anywhere."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from expression_warehouse.pairs.cohorts import CONTRAST_GROUPS, CONTRASTS, TESTS
from expression_warehouse.pairs.screen.pooling import pool_tile
from expression_warehouse.pairs.screen.tally import Tally
from expression_warehouse.pairs.screen.transform_store import TransformStore, error_of, open_store

# Genes per side of a tile: what one row of it needs stays in a processor's L2 cache, and all of it
# is large enough for the matrix products. Measured by `python -m bench screen`. With many studies a
# tile has fewer rows, so that its products are no more than these in all.
ROWS, COLUMNS = 256, 256
_FEWEST_ROWS, _PRODUCTS = 64, 1 << 22
# Upper bounds per block, pairs × studies and genes per gene, so that a block takes some seconds,
# and its memory does not depend on the number of genes.
_WORK, _WIDEST = 1 << 25, 8192
# Single pairs at a time: the ranks of one group stay in the cache for all of them.
PAIRS = 8192

_CONTRASTS = np.array(CONTRAST_GROUPS)


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


def block_shape(studies: int) -> tuple[int, int]:
    """How many genes a block has, and how many others each is paired with, at most."""
    rows = min(ROWS, max(_FEWEST_ROWS, _PRODUCTS // (3 * studies * COLUMNS)))
    return rows, min(_WIDEST, max(1, _WORK // (rows * studies * COLUMNS)) * COLUMNS)


def blocks_of(store: TransformStore) -> list[Block]:
    """All blocks: together they have each pair of genes once."""
    genes, (rows, width) = store.gene_count, block_shape(len(store.samples))

    def band(first: int, start: int, is_partial: bool) -> list[Block]:
        last = min(first + rows, genes)
        starts = range(start, genes, width)
        return [Block(first, last, i, min(i + width, genes), is_partial) for i in starts]

    firsts = range(0, genes, rows)
    some = [first for first in firsts if store.is_partial[first : first + rows].any()]
    whole = [block for first in firsts for block in band(first, first, False)]
    return whole + [block for first in some for block in band(first, 0, True)]


def new_tallies(store: TransformStore, keep: int) -> list[Tally]:
    """A tally per test."""
    studies = len(store.samples)
    # Hartung-Knapp's test has k - 1 degrees of freedom; row 0 is of one study, which has no test.
    return [Tally(tuple(range(studies)) if test.endswith("_hk") else (0,), keep) for test in TESTS]


def degrees_of_freedom(k: np.ndarray) -> list[np.ndarray]:
    """Those of each test, by the studies per contrast, (contrasts, …); 0 is normal."""
    normal, t = np.zeros(k.shape[1:], k.dtype), np.maximum(k - 1, 0)
    return [*[normal] * len(k), *t, normal, normal]


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
    (studies, groups, genes, others), which the next tile overwrites."""
    products = np.empty(0)
    for first in range(block.start, block.end, COLUMNS):
        b = np.arange(first, min(first + COLUMNS, block.end), dtype=np.int32)
        if products.shape[-1] != len(b):
            shape = (*store.samples.shape, block.last - block.first, len(b))
            products = np.empty(shape, store.product_type)
        for s, groups in enumerate(store.ranks):
            for g, ranks in enumerate(groups):
                others = ranks[b[0] : b[-1] + 1]
                np.matmul(ranks[block.first : block.last], others.T, out=products[s, g])
        yield b, products


def pool_pairs(
    store: TransformStore, a: np.ndarray, b: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The statistics of single pairs, (tests, pairs), and their studies, (contrasts, pairs)."""
    statistics, k = np.empty((len(TESTS), len(a))), np.empty((len(CONTRASTS), len(a)), np.int32)
    is_partial = store.is_partial[a] | store.is_partial[b]
    for start in range(0, len(a), PAIRS):
        whole = np.flatnonzero(~is_partial[start : start + PAIRS]) + start
        if len(whole):
            scale = store.inverse[:, :, a[whole]] * store.inverse[:, :, b[whole]]
            error = np.repeat(store.error[:, :, None], len(whole), axis=2)
            size = np.repeat(store.samples[:, :, None], len(whole), axis=2)
            products = store.products(a[whole], b[whole])
            statistics[:, whole], k[:, whole] = _pool_row(store, products, scale, error, size)
    for i in np.flatnonzero(is_partial):
        r, n = store.spearman_of_gene(int(a[i]), b[[i]])
        statistics[:, [i]], k[:, [i]] = _pool_correlations(store, r, n)
    return statistics, k


def _count_whole(store: TransformStore, block: Block, tallies: list[Tally]) -> None:
    a = np.arange(block.first, block.last, dtype=np.int32)
    scale_a = np.ascontiguousarray(store.tile_scale[:, :, block.first : block.last])
    width = 0
    for b, products in tiles(store, block):
        if len(b) != width:
            width = len(b)
            statistics, k = _result_arrays(len(a), width)
            error = np.repeat(store.error[:, :, None], width, axis=2)
            size = np.repeat(store.samples[:, :, None].astype(float), width, axis=2)
        pool_tile(
            products,
            scale_a,
            np.ascontiguousarray(store.tile_scale[:, :, b[0] : b[-1] + 1]),
            error,
            store.settings.se_slope,
            size,
            _CONTRASTS,
            statistics,
            k,
        )
        _count(tallies, statistics, k, a, b)


def _count_partial(
    store: TransformStore, gene: int, others: np.ndarray, tallies: list[Tally]
) -> None:
    statistics, k = _pool_correlations(store, *store.spearman_of_gene(gene, others))
    is_after, genes = others > gene, np.array([gene], np.int32)
    after, before = others[is_after], others[~is_after]
    _count(tallies, statistics[:, None, is_after], k[:, None, is_after], genes, after)
    _count(tallies, statistics[:, ~is_after, None], k[:, ~is_after, None], before, genes)


def _pool_correlations(
    store: TransformStore, r: np.ndarray, n: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    has_r = ~np.isnan(r)
    scale = np.where(has_r, 1.0, np.nan)
    return _pool_row(store, np.where(has_r, r, 0.0), scale, error_of(n, store.settings), n)


def _pool_row(
    store: TransformStore,
    products: np.ndarray,
    scale: np.ndarray,
    error: np.ndarray,
    size: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Pool single pairs: (studies, groups, pairs) → (tests, pairs) and (contrasts, pairs)."""
    statistics, k = _result_arrays(1, products.shape[2])
    pool_tile(
        np.ascontiguousarray(products[:, :, None, :]),
        np.ones((*products.shape[:2], 1)),
        np.ascontiguousarray(scale),
        np.ascontiguousarray(error),
        store.settings.se_slope,
        np.ascontiguousarray(size, dtype=float),
        _CONTRASTS,
        statistics,
        k,
    )
    return statistics[:, 0], k[:, 0]


def _result_arrays(rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    return (
        np.empty((len(TESTS), rows, columns)),
        np.empty((len(CONTRASTS), rows, columns), np.int32),
    )


def _count(
    tallies: list[Tally], statistics: np.ndarray, k: np.ndarray, a: np.ndarray, b: np.ndarray
) -> None:
    for tally, values, df in zip(tallies, statistics, degrees_of_freedom(k), strict=True):
        tally.add(np.ascontiguousarray(values), np.ascontiguousarray(df), a, b)
