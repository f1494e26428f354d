"""The work of a screen in blocks: each a part of the pairs, computed by itself anywhere."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from expression_warehouse.pairs.screen.pooling import TESTS, pool_tile
from expression_warehouse.pairs.screen.rank_store import RankStore, error_of, open_store
from expression_warehouse.pairs.screen.tally import Tally

# Genes a side of a tile: what one row of it takes stays in a processor's L2 cache, and all of it is
# large enough for the matrix products. Measured by `python -m bench screen`. With many studies a
# tile has fewer rows, so that its products, in all, are no more than these.
ROWS, COLUMNS = 256, 256
_FEWEST_ROWS, _PRODUCTS = 64, 1 << 22
# What a block is of, at most: pairs × studies, and genes that each gene of it is paired with. So it
# takes some seconds, and no more memory with more genes.
_WORK, _WIDEST = 1 << 25, 8192
# Single pairs at a time: enough that the ranks of one group stay in the cache for all of them.
PAIRS = 8192


@dataclass(frozen=True)
class Block:
    """Some genes, each paired with those after it of some others; or those of them with missing
    values, with those after them and all without missing values.

    first, last   the genes, the last excluded
    start, end    the others
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
        """Pairs of its genes with those after them: what a progress bar counts."""
        if self.is_partial:
            return 0
        rows, both = self.last - self.first, max(0, self.last - self.start)
        return rows * (self.end - self.start) - both * (both + 1) // 2


def block_shape(studies: int) -> tuple[int, int]:
    """How many genes a block has, and how many others each is paired with, at most."""
    rows = min(ROWS, max(_FEWEST_ROWS, _PRODUCTS // (3 * studies * COLUMNS)))
    return rows, min(_WIDEST, max(1, _WORK // (rows * studies * COLUMNS)) * COLUMNS)


def blocks_of(store: RankStore) -> list[Block]:
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


def new_tally(store: RankStore, keep: int) -> Tally:
    """A tally of pooling.TESTS."""
    studies = len(store.samples)
    # The first row of Hartung-Knapp is of one study, which has no such test.
    degrees = [tuple(range(studies)) if test.endswith("_hk") else (0,) for test in TESTS]
    return Tally(degrees, keep)


def compute_block(folder: Path, block: Block, empty: Tally) -> Tally:
    """Count all pairs of a block.

    folder  of the rank store
    empty   a tally that knows what need not be kept

    One thread is all that it uses, where BLAS is limited to one.
    """
    store = open_store(folder)
    tally = empty.like()
    if block.is_partial:
        for gene in np.flatnonzero(store.is_partial[block.first : block.last]) + block.first:
            _partial_gene(store, int(gene), block, tally)
    else:
        _whole_genes(store, block, tally)
    return tally


def pool_pairs(store: RankStore, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The statistics of single pairs: (tests, pairs), and studies of either contrast (2, pairs)."""
    statistics, k = np.empty((len(TESTS), len(a))), np.empty((2, len(a)), np.int32)
    is_partial = store.is_partial[a] | store.is_partial[b]
    for start in range(0, len(a), PAIRS):
        own = np.flatnonzero(~is_partial[start : start + PAIRS]) + start
        if len(own):
            scale = store.inverse[:, :, a[own]] * store.inverse[:, :, b[own]]
            error = np.repeat(store.error[:, :, None], len(own), axis=2)
            size = np.repeat(store.samples[:, :, None], len(own), axis=2)
            products = store.products(a[own], b[own])
            statistics[:, own], k[:, own] = _pool_row(store, products, scale, error, size)
    for i in np.flatnonzero(is_partial):
        r, n = store.correlate(int(a[i]), b[[i]])
        statistics[:, [i]], k[:, [i]] = _pool_correlations(store, r, n)
    return statistics, k


def _whole_genes(store: RankStore, block: Block, tally: Tally) -> None:
    a = np.arange(block.first, block.last, dtype=np.int32)
    scale_a = np.ascontiguousarray(store.tile_scale[:, :, block.first : block.last])
    width = 0
    for b, products in tiles(store, block):
        if len(b) != width:
            width = len(b)
            statistics, k = _room(len(a), width)
            error = np.repeat(store.error[:, :, None], width, axis=2)
            size = np.repeat(store.samples[:, :, None].astype(float), width, axis=2)
        pool_tile(
            products,
            scale_a,
            np.ascontiguousarray(store.tile_scale[:, :, b[0] : b[-1] + 1]),
            error,
            store.settings.se_slope,
            size,
            statistics,
            k,
        )
        _count(tally, statistics, k, a, b)


def tiles(store: RankStore, block: Block) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Some other genes of a block, and the inner products of the block's genes with them, (studies,
    groups, genes, others), which the next ones replace."""
    products = np.empty(0)
    for first in range(block.start, block.end, COLUMNS):
        b = np.arange(first, min(first + COLUMNS, block.end), dtype=np.int32)
        if products.shape[-1] != len(b):
            shape = (*store.samples.shape, block.last - block.first, len(b))
            products = np.empty(shape, store.product_type)
        for s, groups in enumerate(store.ranks):
            for g, ranks in enumerate(groups):
                own, others = ranks[block.first : block.last], ranks[b[0] : b[-1] + 1]
                np.matmul(own, others.T, out=products[s, g])
        yield b, products


def _room(rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """For statistics and k of a tile."""
    return np.empty((len(TESTS), rows, columns)), np.empty((2, rows, columns), np.int32)


def _partial_gene(store: RankStore, gene: int, block: Block, tally: Tally) -> None:
    """The pairs of a gene with missing values."""
    places = np.arange(block.start, block.end, dtype=np.int32)
    others = places[~store.is_partial[places] | (places > gene)]
    for start in range(0, len(others), COLUMNS):
        b = others[start : start + COLUMNS]
        statistics, k = _pool_correlations(store, *store.correlate(gene, b))
        is_after = b > gene
        for genes_a, genes_b, chosen in (
            (np.array([gene], np.int32), b, is_after),
            (b, np.array([gene], np.int32), ~is_after),
        ):
            shape = (len(TESTS), len(genes_a), len(genes_b))
            own = np.where(chosen, statistics, np.nan).reshape(shape)
            _count(tally, own, k.reshape(2, *shape[1:]), genes_a, genes_b)


def _pool_correlations(
    store: RankStore, r: np.ndarray, n: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    has_r = ~np.isnan(r)
    scale = np.where(has_r, 1.0, np.nan)
    return _pool_row(store, np.where(has_r, r, 0.0), scale, error_of(n, store.settings), n)


def _pool_row(
    store: RankStore, products: np.ndarray, scale: np.ndarray, error: np.ndarray, size: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Pool pairs that are no tile: (studies, groups, pairs) → (tests, pairs) and (2, pairs)."""
    pairs = products.shape[2]
    statistics, k = _room(1, pairs)
    pool_tile(
        np.ascontiguousarray(products[:, :, None, :]),
        np.ones((*products.shape[:2], 1)),
        np.ascontiguousarray(scale),
        np.ascontiguousarray(error),
        store.settings.se_slope,
        np.ascontiguousarray(size, dtype=float),
        statistics,
        k,
    )
    return statistics[:, 0], k[:, 0]


def degrees_of_freedom(k: np.ndarray) -> list[np.ndarray]:
    """For each of pooling.TESTS those of its tests, by the studies of either contrast; 0 is
    normal."""
    normal, t = np.zeros(k.shape[1:], k.dtype), np.maximum(k - 1, 0)
    return [normal, normal, t[0], t[1], normal, normal]


def _count(
    tally: Tally, statistics: np.ndarray, k: np.ndarray, a: np.ndarray, b: np.ndarray
) -> None:
    degrees = degrees_of_freedom(k)
    for family, values, df in zip(tally.families, statistics, degrees, strict=True):
        family.add(values, df, a, b)
