"""All correlations of one study and cohort, counted block by block."""

import numpy as np

from expression_warehouse.pairs.engine.block import Block, partial_pairs, tiles
from expression_warehouse.pairs.engine.tally import Tally
from expression_warehouse.pairs.engine.transform_store import TransformStore


def correlation_degrees(store: TransformStore) -> tuple[int, ...]:
    """Degrees of freedom that correlations of a store with one cohort can have: n - 2, and fewer if
    values are missing."""
    most = int(store.samples[0, 0]) - 2
    least = store.settings.min_samples - 2 if store.is_partial.any() else most
    return tuple(range(least, most + 1))


def t_statistic(r: np.ndarray, n: np.ndarray | int) -> np.ndarray:
    """Student's t, with n - 2 degrees of freedom, of a Spearman r of n samples (Kendall & Stuart
    1973), as in scipy.stats.spearmanr; infinite if |r| is 1."""
    r = np.clip(r, -1.0, 1.0)
    with np.errstate(divide="ignore"):
        return r * np.sqrt((n - 2) / ((1 + r) * (1 - r)))


def compute_correlations(store: TransformStore, block: Block, empty: list[Tally]) -> list[Tally]:
    """Count all correlations of a block; as block.compute_block."""
    tally = empty[0].like()
    if block.is_partial:
        for gene, others in partial_pairs(store, block):
            r, n = store.spearman_of_pairs(np.full(len(others), gene), others)
            rows = np.maximum(n[0, 0] - 2 - tally.degrees[0], 0).astype(np.int32)
            tally.add_gene(t_statistic(r[0, 0], n[0, 0]), rows, gene, others)
        return [tally]
    samples, scale = int(store.samples[0, 0]), store.tile_scale[0, 0]
    a = np.arange(block.first, block.last, dtype=np.int32)
    for b, products in tiles(store, block):
        r = products[0, 0] * np.outer(scale[a], scale[b])
        rows = np.full(r.shape, len(tally.degrees) - 1, np.int32)
        tally.add(t_statistic(r, samples), rows, a, b)
    return [tally]
