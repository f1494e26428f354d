"""Blocks: parts of the pairs, each of which can be computed by itself, anywhere."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from expression_warehouse.pairs.engine.pooled_pairs import pool_pairs, pool_products
from expression_warehouse.pairs.engine.pooling import COLUMNS
from expression_warehouse.pairs.engine.tally import Tally
from expression_warehouse.pairs.engine.transform_store import TransformStore, open_store

# Rows of a tile: enough for the matrix products. With many studies a tile has fewer, so that its
# products are no more than these in all.
ROWS = 256
_FEWEST_ROWS, _PRODUCTS = 64, 1 << 22
# Upper bounds per block, pairs × studies and genes per gene, so that a block takes some seconds,
# and its memory does not depend on the number of genes.
_WORK, _WIDEST = 1 << 25, 8192


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
        for gene, others in partial_pairs(store, block):
            pooled = pool_pairs(store, np.full(len(others), gene), others)
            for tally, own, rows in zip(tallies, pooled.statistics, pooled.rows, strict=True):
                tally.add_gene(own, rows, gene, others)
        return tallies
    a = np.arange(block.first, block.last, dtype=np.int32)
    scale_a = store.tile_scale[:, :, a]
    for b, products in tiles(store, block):
        size = np.repeat(store.samples[:, :, None], len(b), axis=2)
        pooled = pool_products(store, products, scale_a, store.tile_scale[:, :, b], size)
        for tally, own, rows in zip(tallies, pooled.statistics, pooled.rows, strict=True):
            tally.add(own, rows, a, b)
    return tallies


def partial_pairs(store: TransformStore, block: Block) -> Iterator[tuple[int, np.ndarray]]:
    """The genes of a block with missing values, each with the genes it is paired with."""
    genes = np.arange(block.start, block.end, dtype=np.int32)
    for gene in np.flatnonzero(store.is_partial[block.first : block.last]) + block.first:
        yield int(gene), genes[(~store.is_partial[genes] | (genes > gene)) & (genes != gene)]


def tiles(store: TransformStore, block: Block) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The tiles of a block: other genes, and the inner products of the block's genes with them,
    (studies, cohorts, genes, others)."""
    for first in range(block.start, block.end, COLUMNS):
        b = np.arange(first, min(first + COLUMNS, block.end), dtype=np.int32)
        shape = (*store.samples.shape, block.last - block.first, len(b))
        products = np.empty(shape, store.product_type)
        for s, study in enumerate(store.studies):
            for g, ranks in enumerate(study.ranks):
                others = ranks[b[0] : b[-1] + 1]
                np.matmul(ranks[block.first : block.last], others.T, out=products[s, g])
        yield b, products
