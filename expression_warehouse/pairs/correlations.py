"""All correlations of one study and cohort, counted in blocks."""

from pathlib import Path

import numpy as np

from expression_warehouse.pairs.screen.block import COLUMNS, Block
from expression_warehouse.pairs.screen.rank_store import RankStore, open_store
from expression_warehouse.pairs.screen.tally import Tally


def degrees_of(store: RankStore) -> tuple[int, ...]:
    """Degrees of freedom that correlations of a store with one group can have: n - 2, fewer where
    values are missing."""
    most = int(store.samples[0, 0]) - 2
    least = store.settings.min_samples - 2 if store.is_partial.any() else most
    return tuple(range(least, most + 1))


def t_statistic(r: np.ndarray, n: np.ndarray | int) -> np.ndarray:
    """Of a Spearman r of n samples, to be held against Student's t with n - 2 degrees of freedom
    (Kendall & Stuart 1973), as scipy.stats.spearmanr does; infinite where |r| is 1."""
    r = np.clip(r, -1.0, 1.0)
    with np.errstate(divide="ignore"):
        return r * np.sqrt((n - 2) / ((1 + r) * (1 - r)))


def count_correlations(folder: Path, block: Block, empty: Tally) -> Tally:
    """Count all correlations of a block; as block.compute_block."""
    store = open_store(folder)
    tally = empty.like()
    (family,) = tally.families
    if block.is_partial:
        for gene in np.flatnonzero(store.is_partial[block.first : block.last]) + block.first:
            _partial_gene(store, int(gene), block, tally)
        return tally
    n, scale, ((ranks,),) = int(store.samples[0, 0]), store.tile_scale[0, 0], store.ranks
    a = np.arange(block.first, block.last, dtype=np.int32)
    for first in range(block.start, block.end, COLUMNS):
        b = np.arange(first, min(first + COLUMNS, block.end), dtype=np.int32)
        r = (ranks[a[0] : a[-1] + 1] @ ranks[b[0] : b[-1] + 1].T) * np.outer(scale[a], scale[b])
        rows = np.full(r.shape, len(family.degrees) - 1, np.int32)
        family.add(t_statistic(r, n), rows, a, b)
    return tally


def _partial_gene(store: RankStore, gene: int, block: Block, tally: Tally) -> None:
    places = np.arange(block.start, block.end, dtype=np.int32)
    others = places[(~store.is_partial[places] | (places > gene)) & (places != gene)]
    r, n = store.correlate(gene, others)
    (family,) = tally.families
    rows = np.maximum(n[0, 0] - 2 - family.degrees[0], 0).astype(np.int32)
    t = t_statistic(r[0, 0], n[0, 0])
    one = np.array([gene], np.int32)
    is_after = others > gene
    family.add(t[None, is_after], rows[None, is_after], one, others[is_after])
    family.add(t[~is_after, None], rows[~is_after, None], others[~is_after], one)
