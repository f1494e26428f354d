"""The pairs that a screen keeps, and what it knows of them."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pyarrow as pa

from expression_warehouse.core.warehouse.base import FeatureRun
from expression_warehouse.pairs.screen.bins import p_value
from expression_warehouse.pairs.screen.block import PAIRS, degrees_of_freedom, pool_pairs
from expression_warehouse.pairs.screen.false_discovery import false_discovery_rates, smallest
from expression_warehouse.pairs.screen.pooling import TESTS
from expression_warehouse.pairs.screen.rank_store import RankStore
from expression_warehouse.pairs.screen.scan import thread_count
from expression_warehouse.pairs.screen.statistic_files import StatisticFiles
from expression_warehouse.pairs.screen.tally import Family, Tally

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
        "n_studies_ss": pa.int32(),
        "n_studies_soth": pa.int32(),
        **{
            f"{what}_{test}": pa.float64()
            for test in TESTS
            for what in ("statistic", "p", "q")
        },
    }
)  # fmt: skip


@dataclass(frozen=True)
class ScreenedPairs:
    """Pairs in order of their genes' keys.

    gene_a, gene_b  (pairs,): keys, the smaller one first
    is_watched      (pairs,): whether both are on the watch list
    statistics, p, q
                    (tests, pairs): pooling.TESTS; NaN where a pair has no such test
    k               (2, pairs): studies of either contrast
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
        self, same: Mapping[str, str], studies_hash: str, run: FeatureRun
    ) -> Iterator[pa.RecordBatch]:
        """Rows of SCHEMA.

        same  columns that are the same in all of them
        """
        for start in range(0, len(self.gene_a), _BATCH_ROWS):
            part = slice(start, start + _BATCH_ROWS)
            size = len(self.gene_a[part])
            columns = {
                **{name: pa.repeat(value, size) for name, value in same.items()},
                "studies_hash": pa.repeat(studies_hash, size),
                "gene_a_key": self.gene_a[part],
                "gene_b_key": self.gene_b[part],
                "is_watched": self.is_watched[part],
                "pairs_tested": pa.repeat(run.pairs_tested, size),
                "n_studies_ss": self.k[0, part].astype(int),
                "n_studies_soth": self.k[1, part].astype(int),
            }
            for i, test in enumerate(TESTS):
                for what in ("statistic", "p", "q"):
                    values = {"statistic": self.statistics, "p": self.p, "q": self.q}[what]
                    columns[f"{what}_{test}"] = values[i, part]
            arrays = [
                pa.array(columns[field.name], field.type, from_pandas=True)
                if isinstance(columns[field.name], np.ndarray)
                else columns[field.name].cast(field.type)
                for field in SCHEMA
            ]
            yield pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)


def collect(
    store: RankStore,
    tally: Tally,
    files: StatisticFiles,
    watched: np.ndarray,
    keys: np.ndarray,
) -> ScreenedPairs:
    """The pairs with the smallest p of each test, as many as the tally keeps, and those of two
    watched genes.

    files    all statistics
    watched  numbers of genes
    keys     (genes,): their keys, ascending
    """
    both = [a << 32 | b for a, b in combinations(sorted(map(int, watched)), 2)]
    # One thread more than there are processors, since they wait for the disk.
    with ThreadPoolExecutor(thread_count() + 1) as pool:
        chosen = list(pool.map(_best, tally.families))
        pairs = np.unique(np.concatenate([*chosen, np.array(both, np.int64)]))
        a, b = pairs >> 32, pairs & 0xFFFFFFFF
        starts = range(0, len(pairs), PAIRS)
        own = pool.map(lambda i: pool_pairs(store, a[i : i + PAIRS], b[i : i + PAIRS]), starts)
        statistics, k = (np.concatenate(part, axis=1) for part in zip(*own, strict=True))
        p = _p_values(statistics, k)

        def rates(number: int) -> np.ndarray:
            family = tally.families[number]
            return false_discovery_rates(family, files, number, p[number], store.pair_count)

        q = np.array(list(pool.map(rates, range(len(TESTS)))))
    return ScreenedPairs(
        gene_a=keys[a],
        gene_b=keys[b],
        is_watched=np.isin(a, watched) & np.isin(b, watched),
        statistics=statistics,
        p=p,
        q=q,
        k=k,
    )


def _best(family: Family) -> np.ndarray:
    """Both genes of the pairs to be kept, in one number each."""
    kept, _ = smallest(family)
    best = kept[: family.keep]
    return best["gene_a"].astype(np.int64) << 32 | best["gene_b"]


def _p_values(statistics: np.ndarray, k: np.ndarray) -> np.ndarray:
    p = np.full(statistics.shape, np.nan)
    for own, values, df in zip(p, statistics, degrees_of_freedom(k), strict=True):
        is_tested = ~np.isnan(values)
        own[is_tested] = p_value(np.abs(values[is_tested]), df[is_tested])
    return p
