"""The pairs that a screen keeps, and what it knows of them."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pyarrow as pa

from expression_warehouse.core.warehouse.base import FeatureRun
from expression_warehouse.pairs.cohorts import CONTRASTS, TESTS
from expression_warehouse.pairs.screen.block import PAIRS, degrees_of_freedom, pool_pairs
from expression_warehouse.pairs.screen.false_discovery import RateCurve
from expression_warehouse.pairs.screen.histogram import p_value
from expression_warehouse.pairs.screen.scan import thread_count
from expression_warehouse.pairs.screen.tally import Tally
from expression_warehouse.pairs.screen.transform_store import TransformStore

_BATCH_ROWS = 50_000

# Columns of staging.screened_pairs.
SCHEMA = pa.schema(
    {
        "feature_run_id": pa.string(),
        "disease_label": pa.string(),
        "technology": pa.string(),
        "studies_hash": pa.string(),
        "gene_a_key": pa.int32(),
        "gene_b_key": pa.int32(),
        "is_watched": pa.bool_(),
        "pairs_tested": pa.int64(),
        **{f"n_studies_{contrast.name}": pa.int32() for contrast in CONTRASTS},
        **{f"{what}_{test}": pa.float64() for test in TESTS for what in ("statistic", "p", "q")},
    }
)


@dataclass(frozen=True)
class ScreenedPairs:
    """Pairs in order of their genes' keys.

    gene_a, gene_b  (pairs,): keys, the smaller one first
    is_watched      (pairs,): whether both are on the watch list
    statistics, p, q
                    (tests, pairs): cohorts.TESTS; NaN if a pair has no such test
    k               (contrasts, pairs): studies that have the contrast
    """

    gene_a: np.ndarray
    gene_b: np.ndarray
    is_watched: np.ndarray
    statistics: np.ndarray
    p: np.ndarray
    q: np.ndarray
    k: np.ndarray

    @property
    def significant_count(self) -> int:
        """Pairs with a q of at most 0.05 in any test."""
        return int(np.count_nonzero((self.q <= 0.05).any(axis=0)))

    def batches(
        self, scope: Mapping[str, str], studies_hash: str, run: FeatureRun
    ) -> Iterator[pa.RecordBatch]:
        """Rows of SCHEMA.

        scope  disease_label and technology
        """
        constants = {
            **scope,
            "feature_run_id": run.feature_run_id,
            "studies_hash": studies_hash,
            "pairs_tested": run.pairs_tested,
        }
        columns = {
            "gene_a_key": self.gene_a,
            "gene_b_key": self.gene_b,
            "is_watched": self.is_watched,
        }
        columns |= {f"n_studies_{c.name}": k for c, k in zip(CONTRASTS, self.k, strict=True)}
        for i, test in enumerate(TESTS):
            columns[f"statistic_{test}"] = self.statistics[i]
            columns[f"p_{test}"], columns[f"q_{test}"] = self.p[i], self.q[i]
        for start in range(0, len(self.gene_a), _BATCH_ROWS):
            rows = slice(start, start + _BATCH_ROWS)
            arrays = [
                pa.array(columns[field.name][rows], from_pandas=True).cast(field.type)
                if field.name in columns
                else pa.repeat(constants[field.name], len(self.gene_a[rows])).cast(field.type)
                for field in SCHEMA
            ]
            yield pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)


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
        best = list(pool.map(lambda tally: _best(tally, store.pair_count), tallies))
        pairs = np.unique(
            np.concatenate([*(numbers for numbers, _ in best), np.array(both, np.int64)])
        )
        a, b = pairs >> 32, pairs & 0xFFFFFFFF
        starts = range(0, len(pairs), PAIRS)
        chunks = pool.map(lambda i: pool_pairs(store, a[i : i + PAIRS], b[i : i + PAIRS]), starts)
        statistics, k = (np.concatenate(arrays, axis=1) for arrays in zip(*chunks, strict=True))
    p = np.full(statistics.shape, np.nan)
    for p_of_test, values, df in zip(p, statistics, degrees_of_freedom(k), strict=True):
        is_tested = ~np.isnan(values)
        p_of_test[is_tested] = p_value(np.abs(values[is_tested]), df[is_tested])
    return ScreenedPairs(
        gene_a=keys[a],
        gene_b=keys[b],
        is_watched=np.isin(a, watched) & np.isin(b, watched),
        statistics=statistics,
        p=p,
        q=np.array([curve.at(values) for (_, curve), values in zip(best, p, strict=True)]),
        k=k,
    )


def _best(tally: Tally, tests: int) -> tuple[np.ndarray, RateCurve]:
    """Both genes of the pairs to be kept, in one number each, and q of any p."""
    candidates, p = tally.sorted_candidates()
    kept = candidates[: tally.keep]
    pairs = kept["gene_a"].astype(np.int64) << 32 | kept["gene_b"]
    return pairs, RateCurve(tally, p, tests)
