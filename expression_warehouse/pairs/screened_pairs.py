"""The pairs that a screen keeps, and what it knows of them."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pyarrow as pa

from expression_warehouse.pairs.contrasts import Design
from expression_warehouse.pairs.engine.false_discovery import false_discovery_rates
from expression_warehouse.pairs.engine.pooled_pairs import PAIRS, PooledPairs, p_values, pool_pairs
from expression_warehouse.pairs.engine.scan import thread_count
from expression_warehouse.pairs.engine.tally import Tally, pair_numbers
from expression_warehouse.pairs.engine.transform_store import TransformStore
from expression_warehouse.pairs.run_record import RUN_COLUMNS, batches

# Columns of staging.screened_pairs.
PAIR_SCHEMA = pa.schema(
    {
        **RUN_COLUMNS,
        "studies_hash": pa.string(),
        "gene_a_key": pa.int32(),
        "gene_b_key": pa.int32(),
        "is_watched": pa.bool_(),
        "pairs_tested": pa.int64(),
        "q_combined": pa.float64(),
        "q_combined_dependent": pa.float64(),
    }
)

# Columns of staging.screened_contrasts.
CONTRAST_SCHEMA = pa.schema(
    {
        **RUN_COLUMNS,
        "gene_a_key": pa.int32(),
        "gene_b_key": pa.int32(),
        "contrast": pa.string(),
        "n_studies": pa.int32(),
        "z": pa.float64(),
        "t_hk": pa.float64(),
        "tests": pa.int64(),
        "tests_hk": pa.int64(),
        "p": pa.float64(),
        "q": pa.float64(),
        "p_hk": pa.float64(),
        "q_hk": pa.float64(),
        "p_hk_adhoc": pa.float64(),
        "q_hk_adhoc": pa.float64(),
        "q_pair": pa.float64(),
    }
)


@dataclass(frozen=True)
class ScreenedPairs:
    """Pairs in order of their genes' keys.

    gene_a, gene_b  (pairs,): keys, the smaller one first
    is_watched      (pairs,): whether both are on the watch list
    statistics, p, q
                    (tests, pairs): Design.tests; NaN if a pair has no such test, q also if its
                    contrast has too few studies
    counted         (tests,): pairs of the screen that have the test
    deciding        (pairs,): position of the contrast with the least Hartung-Knapp p, or -1
    k               (contrasts, pairs): studies that have the contrast
    """

    design: Design
    gene_a: np.ndarray
    gene_b: np.ndarray
    is_watched: np.ndarray
    statistics: np.ndarray
    p: np.ndarray
    q: np.ndarray
    counted: np.ndarray
    deciding: np.ndarray
    k: np.ndarray

    @property
    def pairs_tested(self) -> int:
        """Pairs of the screen with an eligible contrast."""
        return int(self.counted[self.design.pair])

    @property
    def significant_count(self) -> int:
        """Pairs with a q of at most 0.05 over their contrasts."""
        return int(np.count_nonzero(self.q[self.design.pair] <= 0.05))

    def pair_batches(self, constants: Mapping[str, Any]) -> Iterator[pa.RecordBatch]:
        """Rows of PAIR_SCHEMA.

        constants  the columns that are the same in all rows, except pairs_tested
        """
        # None if the design combines no contrasts.
        combined = [*self.q[self.design.combinations], None, None]
        columns = {
            **constants,
            "gene_a_key": self.gene_a,
            "gene_b_key": self.gene_b,
            "is_watched": self.is_watched,
            "pairs_tested": self.pairs_tested,
            "q_combined": combined[0],
            "q_combined_dependent": combined[1],
        }
        yield from batches(PAIR_SCHEMA, columns)

    def contrast_batches(self, constants: Mapping[str, Any]) -> Iterator[pa.RecordBatch]:
        """Rows of CONTRAST_SCHEMA: all contrasts that any study of a pair has."""
        design = self.design
        z, hk, adhoc = design.z, design.hk, design.adhoc
        for c, contrast in enumerate(design.contrasts):
            rows = np.flatnonzero(self.k[c])
            columns = {
                "gene_a_key": self.gene_a,
                "gene_b_key": self.gene_b,
                "n_studies": self.k[c],
                "z": self.statistics[z][c],
                "t_hk": self.statistics[hk][c],
                "p": self.p[z][c],
                "q": self.q[z][c],
                "p_hk": self.p[hk][c],
                "q_hk": self.q[hk][c],
                "p_hk_adhoc": self.p[adhoc][c],
                "q_hk_adhoc": self.q[adhoc][c],
                "q_pair": np.where(self.deciding == c, self.q[design.pair], np.nan),
            }
            own = {
                **constants,
                "contrast": contrast.name,
                "tests": int(self.counted[z][c]),
                "tests_hk": int(self.counted[hk][c]),
            }
            chosen = {name: column[rows] for name, column in columns.items()}
            yield from batches(CONTRAST_SCHEMA, own | chosen)


def collect(
    store: TransformStore, tallies: list[Tally], watched: np.ndarray, keys: np.ndarray
) -> ScreenedPairs:
    """The pairs with the smallest p of each test, as many as the tallies keep, and those of two
    watched genes.

    watched  numbers of genes
    keys     (genes,): their keys, ascending
    """
    both = [a << 32 | b for a, b in combinations(sorted(map(int, watched)), 2)]
    with ThreadPoolExecutor(thread_count()) as pool:
        candidates, candidate_p = zip(*pool.map(Tally.sorted_candidates, tallies), strict=True)
        best = (own[: tally.keep] for tally, own in zip(tallies, candidates, strict=True))
        numbers = [np.array(both, np.int64), *map(pair_numbers, best)]
        pairs = np.unique(np.concatenate(numbers))
        a, b = pairs >> 32, pairs & 0xFFFFFFFF
        starts = range(0, max(len(pairs), 1), PAIRS)
        chunks = list(
            pool.map(lambda i: pool_pairs(store, a[i : i + PAIRS], b[i : i + PAIRS]), starts)
        )
        arrays = zip(*(vars(chunk).values() for chunk in chunks), strict=True)
        pooled = PooledPairs(*(np.concatenate(parts, axis=1) for parts in arrays))
        p, deciding = p_values(pooled, store.design)
        q = list(pool.map(false_discovery_rates, tallies, candidate_p, p))
    return ScreenedPairs(
        design=store.design,
        gene_a=keys[a],
        gene_b=keys[b],
        is_watched=np.isin(a, watched) & np.isin(b, watched),
        statistics=pooled.statistics,
        p=p,
        q=np.where(pooled.rows >= 0, q, np.nan),
        counted=np.array([tally.histogram.total for tally in tallies]),
        deciding=deciding,
        k=pooled.k,
    )
