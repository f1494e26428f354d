"""The numbers of a screen, without a warehouse: statistics against the oracle, false discovery rates
against scipy, the same result in any order, after any kill and on a cluster."""

import errno
import os
import pickle
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import duckdb
import numba
import numpy as np
import oracle
import pyarrow as pa
import pytest
from scipy import stats

from expression_warehouse.core import files as files_module
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.files import PAGE, new_pages, open_atomically, read_pages
from expression_warehouse.core.warehouse.macros import statistics_macros
from expression_warehouse.pairs.correlations import count_correlations, degrees_of, t_statistic
from expression_warehouse.pairs.gene_filter import choose_genes, variability
from expression_warehouse.pairs.screen import block as block_module
from expression_warehouse.pairs.screen import buckets, statistic_files
from expression_warehouse.pairs.screen import scan as scan_module
from expression_warehouse.pairs.screen.bins import (
    BIN_COUNT,
    bin_of,
    code_of,
    edges,
    p_value,
    sizes_of,
)
from expression_warehouse.pairs.screen.block import (
    Block,
    blocks_of,
    compute_block,
    new_tally,
    pool_pairs,
)
from expression_warehouse.pairs.screen.cluster import Cluster
from expression_warehouse.pairs.screen.false_discovery import false_discovery_rates, smallest
from expression_warehouse.pairs.screen.logarithm import half_log, split_ratio
from expression_warehouse.pairs.screen.memory import plan_correlations, require_memory
from expression_warehouse.pairs.screen.p_values import PValues, log_p
from expression_warehouse.pairs.screen.pooling import TESTS
from expression_warehouse.pairs.screen.rank_store import RankStore, RankStoreWriter, open_store
from expression_warehouse.pairs.screen.ranks import EXACT_FLOAT32_SAMPLES, average_ranks
from expression_warehouse.pairs.screen.scan import scan
from expression_warehouse.pairs.screen.screened_pairs import ScreenedPairs, collect
from expression_warehouse.pairs.screen.statistic_files import StatisticFiles, write_statistics
from expression_warehouse.pairs.screen.tally import Tally
from expression_warehouse.pairs.settings import Settings, parse_memory

Groups = list[np.ndarray]


def store_of(
    folder: Path, studies: list[Groups], spearman_se: str = "fisher", min_samples: int = 8
) -> RankStore:
    writer = RankStoreWriter(folder, Settings(3, min_samples, spearman_se))
    for groups in studies:
        writer.add(groups, np.arange(len(groups[0])))
    writer.finish()
    open_store.cache_clear()
    return open_store(folder)


def study_of(
    dice: np.random.Generator,
    genes: int,
    shock: int,
    sepsis: int,
    control: int,
    spread: float = 0.5,
) -> Groups:
    """Groups of a study whose genes share factors with other loadings in each cohort."""
    cohorts = []
    for n in (shock, sepsis, control):
        loadings = dice.normal(0, spread, (genes, 3))
        cohorts.append(loadings @ dice.normal(size=(3, n)) + dice.normal(size=(genes, n)))
    return [cohorts[0], cohorts[1], np.concatenate(cohorts[1:], axis=1)]


def count_all(folder: Path, keep: int) -> Tally:
    store = open_store(folder)
    return scan(
        compute_block, folder, blocks_of(store), new_tally(store, keep), None, lambda _: None
    )


def files_of(folder: Path, tally: Tally) -> StatisticFiles:
    blocks = list(map(str, blocks_of(open_store(folder))))
    return StatisticFiles(folder, blocks, len(tally.families))


def found_in(folder: Path, tally: Tally, watched: list[int]) -> ScreenedPairs:
    store = open_store(folder)
    files, genes = files_of(folder, tally), np.arange(store.gene_count)
    return collect(store, tally, files, np.array(watched), genes)


def expected_of(studies: list[Groups], a: int, b: int, spearman_se: str) -> tuple[list, list]:
    """The statistics of a pair, one by one, and the studies of either contrast."""
    estimates, samples = ([], []), [0, 0]
    for groups in studies:
        found = []
        for values in groups:
            r_n = oracle.spearman(values[a], values[b])
            fits = r_n and r_n[1] >= 8
            found.append((*oracle.fisher(*r_n, spearman_se), r_n[1]) if fits else None)
        for c in (0, 1):
            if found[0] and found[c + 1]:
                (z1, se1, n1), (z2, se2, n2) = found[0], found[c + 1]
                estimates[c].append((z1 - z2, np.hypot(se1, se2)))
                samples[c] += n1 + n2
    pooled = {name: oracle.pool(own) for name, own in zip(("ss", "soth"), estimates, strict=True)}
    z = [one and one.z for one in pooled.values()]
    knapp = [one and one.hartung_knapp()["hk_se"] for one in pooled.values()]
    t = [own.mean / se if se else None for own, se in zip(pooled.values(), knapp, strict=True)]
    both = oracle.combined_columns(pooled, dict(zip(pooled, samples, strict=True)))
    statistics = [*z, *t, both["combined_z_score"], both["combined_z_dependent"]]
    return statistics, [one.k if one else 0 for one in pooled.values()]


def assert_statistics(store: RankStore, studies: list[Groups], pairs: np.ndarray, se: str) -> None:
    statistics, k = pool_pairs(store, *pairs)
    for i, (a, b) in enumerate(pairs.T):
        expected, studies_of_pair = expected_of(studies, a, b, se)
        assert list(k[:, i]) == studies_of_pair
        for test, one, other in zip(TESTS, statistics[:, i], expected, strict=True):
            if other is None:
                assert np.isnan(one), (a, b, test)
            else:
                assert one == pytest.approx(other, rel=1e-9), (a, b, test)


def random_pairs(dice: np.random.Generator, genes: int, size: int) -> np.ndarray:
    a, b = np.triu_indices(genes, 1)
    chosen = dice.choice(len(a), size, replace=False)
    return np.array([a[chosen], b[chosen]])


def test_logarithm_of_a_ratio():
    """Of near numbers too, where their quotient would have lost what the logarithm is of."""
    dice = np.random.default_rng(1)
    a, b = np.exp(dice.normal(0, 8, (2, 10_000)))
    b[5_000:] = a[5_000:] * (1 + dice.normal(0, 1e-6, 5_000))
    for one, other in zip(a, b, strict=True):
        difference, total, k = split_ratio(one, other)
        exact = (Decimal(float(one)) / Decimal(float(other))).ln() / 2
        assert half_log(difference / total, k) == pytest.approx(float(exact), rel=6e-16)


def test_ranks_of_ties():
    assert list(average_ranks(np.array([5.0, 1.0, 5.0, 7.0]))) == [0.0, -3.0, 0.0, 3.0]


def test_a_thousand_random_pairs(tmp_path):
    dice = np.random.default_rng(2)
    sizes = [(12, 14, 20), (20, 30, 25), (9, 8, 8), (40, 35, 12), (15, 15, 15), (60, 50, 10)]
    studies = [study_of(dice, 60, *own) for own in sizes]
    store = store_of(tmp_path, studies)
    assert_statistics(store, studies, random_pairs(dice, 60, 1000), "fisher")


@pytest.mark.parametrize("se", ["fisher", "fieller", "bonett_wright"])
def test_ties_gaps_constant_genes_and_small_groups(tmp_path, se):
    dice = np.random.default_rng(3)
    sizes = [(10, 12, 9), (8, 20, 7), (7, 15, 12), (11, 6, 14)]
    studies = [study_of(dice, 24, *own) for own in sizes]
    for groups in studies:
        for values in groups:
            np.round(values, 1, out=values)
    studies[0][0][1] = 4.0  # constant
    studies[1][2][2] = np.nan  # not measured
    for values in studies[1]:
        values[3] = np.nan  # not measured in the study
    for groups in studies:
        groups[0][4, 0] = np.nan  # partly missing, in all studies
    for groups in studies[1:]:
        for values in groups:
            values[5] = np.nan  # one study only
    studies[0][1][6, :3] = np.nan
    studies[0][2][6, 2:6] = np.nan
    studies[0][0][8] = studies[0][0][7]  # r is 1
    store = store_of(tmp_path, studies, se)
    a, b = np.triu_indices(24, 1)
    assert_statistics(store, studies, np.array([a, b]), se)
    # The tiles and the slow path of genes with missing values count the same, each pair once.
    tally = count_all(tmp_path, 10_000)
    statistics, _ = pool_pairs(store, a, b)
    for family, own in zip(tally.families, statistics, strict=True):
        kept = np.concatenate(family.kept)
        order = np.lexsort((kept["gene_b"], kept["gene_a"]))
        is_tested = ~np.isnan(own)
        assert list(kept["gene_a"][order]) == list(a[is_tested])
        assert list(kept["gene_b"][order]) == list(b[is_tested])
        assert kept["size"][order] == pytest.approx(np.abs(own[is_tested]), rel=1e-12)


def test_one_study_has_no_hartung_knapp(tmp_path):
    dice = np.random.default_rng(4)
    studies = [study_of(dice, 20, 10, 10, 10)]
    store = store_of(tmp_path, studies)
    assert_statistics(store, studies, np.array(np.triu_indices(20, 1)), "fisher")
    counts = [family.counts.sum() for family in count_all(tmp_path, 1000).families]
    assert counts == [190, 190, 0, 0, 190, 190]


def test_many_samples_take_64_bits(tmp_path):
    dice = np.random.default_rng(5)
    studies = [study_of(dice, 12, 10, 10, EXACT_FLOAT32_SAMPLES), study_of(dice, 12, 9, 9, 9)]
    store = store_of(tmp_path, studies)
    assert [ranks.dtype.itemsize for ranks in store.ranks[0]] == [4, 4, 8]
    assert_statistics(store, studies, np.array(np.triu_indices(12, 1)), "fisher")
    largest = np.arange(EXACT_FLOAT32_SAMPLES) * 2.0 - EXACT_FLOAT32_SAMPLES + 1
    assert float(largest @ largest) < 2**24


def all_statistics(studies: list[Groups]) -> tuple[np.ndarray, np.ndarray]:
    """z and Hartung-Knapp's t of all pairs, and their studies, in numpy: (tests, pairs)."""
    upper = np.triu_indices(len(studies[0][0]), 1)
    theta = np.full((2, len(studies), len(upper[0])), np.nan)
    error = np.full((2, len(studies), 1), np.nan)
    for s, groups in enumerate(studies):
        z = []
        for values in groups:
            ranks = stats.rankdata(values, axis=1)
            ranks -= ranks.mean(axis=1, keepdims=True)
            with np.errstate(invalid="ignore"):
                ranks /= np.sqrt((ranks**2).sum(axis=1, keepdims=True))
            z.append(np.arctanh(np.clip((ranks @ ranks.T)[upper], 1e-12 - 1, 1 - 1e-12)))
        n = [values.shape[1] for values in groups]
        for c in (0, 1):
            theta[c, s] = z[0] - z[c + 1]
            error[c, s] = 1 / (n[0] - 3) + 1 / (n[c + 1] - 3)
    k = np.count_nonzero(~np.isnan(theta), axis=1)
    w = np.where(np.isnan(theta), 0, 1 / error)
    theta = np.nan_to_num(theta)

    def mean(w):
        return (w * theta).sum(axis=1) / w.sum(axis=1)

    q = (w * (theta - mean(w)[:, None]) ** 2).sum(axis=1)
    c = w.sum(axis=1) - (w * w).sum(axis=1) / w.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        tau2 = np.where(k > 1, np.maximum(0, q - (k - 1)) / c, 0)[:, None]
        w = np.where(w > 0, 1 / (error + tau2), 0)
        z = mean(w) * np.sqrt(w.sum(axis=1))
        scatter = (w * (theta - mean(w)[:, None]) ** 2).sum(axis=1) / (k - 1)
        t = z / np.sqrt(scatter)
        t = np.where((k > 1) & (np.abs(t) < 1e12), t, np.nan)
    return np.concatenate([z, t]), k


def test_rates_are_those_of_scipy_over_all_pairs_of_2000_genes(tmp_path):
    """Genes that not all studies have, so that k differs between pairs."""
    dice = np.random.default_rng(6)
    genes = 2000
    studies = [study_of(dice, genes, 10, 10, 4, spread=0.4) for _ in range(3)]
    for groups, share in zip(studies, (0.0, 0.1, 0.2), strict=True):
        absent = dice.random(genes) < share
        for values in groups:
            values[absent] = np.nan
    # Modules of genes that go together in septic shock only.
    for groups in studies:
        groups[0][:60] += 3 * dice.normal(size=groups[0].shape[1])
    store = store_of(tmp_path, studies)
    found = found_in(tmp_path, count_all(tmp_path, 1000), [*range(0, 2000, 400)])
    assert len(found.p[0]) < 6_000 < store.pair_count
    statistics, k = all_statistics(studies)
    upper = np.triu_indices(genes, 1)
    wanted = found.gene_a.astype(np.int64) * genes + found.gene_b
    place = np.searchsorted(upper[0].astype(np.int64) * genes + upper[1], wanted)
    for test, values, df in zip(TESTS, statistics, (0 * k[0], 0 * k[0], *(k - 1)), strict=False):
        p = np.ones(len(values))
        is_tested = ~np.isnan(values)
        p[is_tested] = p_value(np.abs(values[is_tested]), df[is_tested])
        q = np.where(is_tested, stats.false_discovery_control(p), np.nan)
        number = TESTS.index(test)
        np.testing.assert_allclose(
            found.p[number], np.where(is_tested, p, np.nan)[place], rtol=1e-9
        )
        np.testing.assert_allclose(found.q[number], q[place], rtol=1e-9)
        best = np.argsort(p, kind="stable")[:1000]
        assert np.isin(best, place).mean() > 0.999
    assert np.nanmin(found.q) < 0.01
    assert found.is_watched.sum() == 10


def test_rates_of_all_kept_pairs_in_all_tests(tmp_path, monkeypatch):
    """Most pairs are far from being kept, many are of genes that some studies lack, some have equal
    statistics and some a p of 0."""
    monkeypatch.setattr(statistic_files, "PART", 4_000)
    dice = np.random.default_rng(8)
    genes = 330
    studies = [study_of(dice, genes, 12, 13, 8) for _ in range(4)]
    studies += [study_of(dice, genes, 400, 400, 60, spread=0.3)]
    for groups in studies:
        for values in groups:
            values[dice.random(genes) < 0.15] = np.nan
            values[20:30] = values[10:20]
        groups[0][40:44] = groups[0][40]
    studies[2][1][100, :3] = np.nan
    store = store_of(tmp_path, studies)
    found = found_in(tmp_path, count_all(tmp_path, 30), [2, 3, 200])
    upper = np.array(np.triu_indices(genes, 1))
    statistics, k = pool_pairs(store, *upper)
    place = np.searchsorted(upper[0] * genes + upper[1], found.gene_a * genes + found.gene_b)
    assert 30 < len(place) < 400
    degrees = [0 * k[0], 0 * k[0], k[0] - 1, k[1] - 1, 0 * k[0], 0 * k[0]]
    for number, test in enumerate(TESTS):
        size, p = np.abs(statistics[number]), np.ones(upper.shape[1])
        is_tested = ~np.isnan(size)
        p[is_tested] = p_value(size[is_tested], degrees[number][is_tested])
        q = np.where(is_tested, stats.false_discovery_control(p), np.nan)
        assert_rates(found.q[number], q[place], p[place])
        best = np.lexsort((-size, p))[:30]
        assert np.isin(best, place).all(), test
    assert (found.p == 0).any()
    assert len(np.unique(k[0])) > 3


def assert_rates(found: np.ndarray, expected: np.ndarray, p: np.ndarray) -> None:
    """As exact as the codes of statistics are (bins.py), and rounding."""
    assert list(np.isnan(found)) == list(np.isnan(expected))
    is_tested = ~np.isnan(expected)
    off = np.abs(found - expected)[is_tested] / np.maximum(expected[is_tested], 1e-300)
    with np.errstate(divide="ignore"):
        allowed = 2e-11 + 4e-12 * np.minimum(-np.log(p[is_tested]), 700)
    assert (off <= allowed).all(), (off / allowed).max()


@numba.njit
def encoded(sizes: np.ndarray, bins: np.ndarray, codes: np.ndarray) -> None:
    for i in range(len(sizes)):
        bins[i], codes[i] = bin_of(sizes[i]), code_of(sizes[i])


def many_sizes() -> np.ndarray:
    dice = np.random.default_rng(12)
    size = np.concatenate([dice.normal(0, 1, 5_000), np.exp(dice.uniform(-8, 27, 50_000))])
    lower = edges()[0]
    below = np.nextafter(lower, -1)[1:]
    return np.sort(np.abs([*size, 0.0, 1e-300, *lower, *below]))


def test_codes_are_all_but_all_of_a_statistic():
    size = np.append(many_sizes(), np.inf)
    bins, codes = np.empty(len(size), np.int64), np.empty(len(size), np.uint32)
    encoded(size, bins, codes)
    assert list(bins) == list(
        np.searchsorted(edges()[1], size, side="right").clip(max=BIN_COUNT - 1)
    )
    order = bins << 32 | codes
    assert (np.diff(order) >= 0).all()
    is_inner = bins < BIN_COUNT - 1
    found = sizes_of(bins, codes)
    off, exact = np.abs(found[is_inner] - size[is_inner]), size[is_inner]
    assert (off <= np.where(bins[is_inner] == 0, 2.0**-38, exact * 2.0**-39 * (1 + 1e-3))).all()
    assert np.isinf(found[~is_inner]).all()
    assert (~is_inner).sum() == 2


@pytest.mark.parametrize("df", [0, 1, 2, 5, 30, 300])
def test_p_of_many_statistics(df):
    """As scipy's, in all bins; but for p near 1 of one degree of freedom, where scipy's is off."""
    size, row = many_sizes()[::-1].copy(), 2
    bins, codes = np.empty(len(size), np.int64), np.empty(len(size), np.uint32)
    encoded(size, bins, codes)
    values = PValues((0, 7, df))
    table = values.table[row * BIN_COUNT + bins]
    expected = p_value(sizes_of(bins, codes), np.array(df))
    is_large = ~np.isnan(table[:, 0])
    assert (expected[~is_large & (bins < BIN_COUNT - 1)] < 1e-270).all()
    found = np.exp(log_p.py_func(codes[is_large], *table[is_large].T))
    np.testing.assert_allclose(found, expected[is_large], rtol=1e-10 if df == 1 else 4e-13)
    # What codes leave out.
    with np.errstate(divide="ignore"):
        exactly = np.log(p_value(size, np.array(df)))[is_large]
    off = np.abs(np.log(found) - exactly)
    assert (off <= 1e-10 * (df == 1) + 4e-13 + 4e-12 * (1 - exactly)).all()


def simulated_tests(kind: str, student: bool) -> tuple[np.ndarray, np.ndarray]:
    """(genes, genes) statistics, and their degrees of freedom."""
    dice = np.random.default_rng(7)
    df = dice.integers(1, 13, (300, 300)) if student else np.zeros((300, 300), np.int64)
    x = stats.t.rvs(df, random_state=8) if student else dice.standard_normal((300, 300))
    if kind == "signal":
        x[dice.random(x.shape) < 0.02] *= 4
    if kind == "strong":
        # The least m p / j lies far beyond what is kept.
        x[dice.random(x.shape) < 0.5] += 2.5
    if kind == "ties":
        x = np.round(2 * x, 1)
    if kind == "zeros":
        x[dice.random(x.shape) < 0.01] *= np.inf if student else 50
    if kind != "null":
        x[dice.random(x.shape) < 0.05] = np.nan
    return x, df


@pytest.mark.parametrize("student", [False, True])
@pytest.mark.parametrize("kind", ["null", "signal", "strong", "ties", "zeros"])
@pytest.mark.parametrize("part", [500, 10**6])
def test_rates_are_those_of_scipy(kind, student, part, tmp_path, monkeypatch):
    """Of any test, whether it was kept or not."""
    monkeypatch.setattr(statistic_files, "PART", part)
    x, df = simulated_tests(kind, student)
    upper = np.triu_indices(300, 1)
    keep = 700
    tally = Tally([tuple(range(13)) if student else (0,)], keep)
    genes = np.arange(300, dtype=np.int32)
    for first in range(0, 300, 50):
        own = tally.like()
        rows = slice(first, first + 50)
        own.families[0].add(x[rows], df[rows].astype(np.int32), genes[rows], genes)
        write_statistics(tmp_path, f"block {first}", own)
        tally.merge(pickle.loads(pickle.dumps(own)))
    (family,) = tally.families
    assert family.counts.sum() == np.count_nonzero(~np.isnan(x[upper]))
    files = StatisticFiles(tmp_path, [f"block {first}" for first in range(0, 300, 50)], 1)

    is_tested = ~np.isnan(x[upper])
    p = np.ones(len(upper[0]))
    p[is_tested] = p_value(np.abs(x[upper][is_tested]), df[upper][is_tested])
    q = stats.false_discovery_control(p)
    p[~is_tested] = np.nan
    q = np.where(is_tested, q, np.nan)
    assert_rates(false_discovery_rates(family, files, 0, p, len(p)), q, p)
    for size in (64, 1 << 16):
        # Most buckets have no test that is asked for.
        monkeypatch.setattr(buckets, "_BUCKETS", size)
        few = np.random.default_rng(part).choice(len(p), 40)
        assert_rates(false_discovery_rates(family, files, 0, p[few], len(p)), q[few], p[few])
    assert len(np.unique(q)) > 1
    assert (p == 0).any() == (kind == "zeros")

    kept, p_kept = smallest(family)
    order = np.lexsort((upper[1], upper[0], np.where(p == 0, -np.abs(x[upper]), 0), p))[:keep]
    assert keep <= len(kept) < 3 * keep
    assert list(kept["gene_a"][:keep]) == list(upper[0][order])
    assert list(kept["gene_b"][:keep]) == list(upper[1][order])
    assert list(p_kept) == sorted(p_kept)


def test_blocks_have_each_pair_once(tmp_path, monkeypatch):
    dice = np.random.default_rng(13)
    studies = [study_of(dice, 700, 8, 9, 8)]
    studies[0][1][[5, 300, 301, 699], 2] = np.nan
    store = store_of(tmp_path, studies)
    expected = np.array(np.triu_indices(700, 1))
    for rows, widest in ((256, 512), (64, 256), (700, 8192)):
        monkeypatch.setattr(block_module, "ROWS", rows)
        monkeypatch.setattr(block_module, "_WIDEST", widest)
        blocks = blocks_of(store)
        assert len({str(block) for block in blocks}) == len(blocks)
        assert sum(block.pair_count for block in blocks) == store.pair_count
        assert max(block.end - block.start for block in blocks) <= widest
        families = [compute_block(tmp_path, block, new_tally(store, 10**6)) for block in blocks]
        kept = np.concatenate([part for own in families for part in own.families[0].kept])
        order = np.lexsort((kept["gene_b"], kept["gene_a"]))
        np.testing.assert_array_equal([kept["gene_a"][order], kept["gene_b"][order]], expected)


@pytest.mark.parametrize("partial", [[19], [0], [7, 8], [*range(20)]])
def test_correlations_in_narrow_blocks(tmp_path, monkeypatch, partial):
    """Some blocks have no gene after one with missing values."""
    dice = np.random.default_rng(14)
    values = dice.normal(size=(20, 12))
    values[partial, 1] = np.nan
    writer = RankStoreWriter(tmp_path, Settings(3, 8, "fisher"))
    writer.add([values], np.arange(20))
    writer.finish()
    open_store.cache_clear()
    store = open_store(tmp_path)
    for shape in ((256, 8192), (4, 8)):
        monkeypatch.setattr(block_module, "block_shape", lambda _, shape=shape: shape)
        tally = Tally([degrees_of(store)], 1000)
        for block in blocks_of(store):
            tally.merge(count_correlations(tmp_path, block, tally))
        kept = np.concatenate(tally.families[0].kept)
        order = np.lexsort((kept["gene_b"], kept["gene_a"]))
        a, b = np.triu_indices(20, 1)
        np.testing.assert_array_equal([kept["gene_a"][order], kept["gene_b"][order]], [a, b])
        r, n = store.correlate_pairs(a, b)
        np.testing.assert_allclose(kept["size"][order], np.abs(t_statistic(r, n)[0, 0]), rtol=1e-12)


def test_blocks_of_another_shape_are_not_taken_up(some_studies, tmp_path, monkeypatch):
    store = store_of(tmp_path, some_studies)
    expected = result_of(tmp_path, count_all(tmp_path, 300))
    for rows in (64, 100):
        monkeypatch.setattr(block_module, "ROWS", rows)
        told = []
        blocks = blocks_of(store)
        tally = scan(compute_block, tmp_path, blocks, new_tally(store, 300), None, told.append)
        assert told[0] == 0
        assert result_of(tmp_path, tally) == expected


def test_pages_are_read_whatever_the_system_does(tmp_path, monkeypatch):
    path = tmp_path / "file"
    content = np.random.default_rng(15).integers(0, 256, 5 * PAGE + 77, np.uint8)
    path.write_bytes(content.tobytes())

    def read() -> None:
        for page, count in ((0, 2), (3, 3), (5, 1)):
            room = new_pages(count)
            assert room.ctypes.data % PAGE == 0
            expected = content[page * PAGE : (page + count) * PAGE]
            assert read_pages(path, page, room) == len(expected)
            np.testing.assert_array_equal(room[: len(expected)], expected)

    read()
    monkeypatch.setattr(files_module, "forget", lambda *_: None)
    opened = open

    class Short:
        """Gives a thousand bytes at a time."""

        def __init__(self, *arguments, **options) -> None:
            self._file = opened(*arguments, **options)
            self.seek = self._file.seek

        def readinto(self, room) -> int:
            own = bytearray(min(1000, len(room)))
            size = self._file.readinto(own)
            room[:size] = np.frombuffer(own, np.uint8)[:size]
            return size

        def __enter__(self):
            return self

        def __exit__(self, *_) -> None:
            self._file.close()

    monkeypatch.setattr(files_module.os, "O_DIRECT", 0, raising=False)
    read()
    monkeypatch.setattr(files_module, "open", Short, raising=False)
    read()

    def refuse(*_) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.undo()
    monkeypatch.setattr(files_module.os, "O_DIRECT", 1 << 30, raising=False)
    read_some = files_module._read
    monkeypatch.setattr(
        files_module,
        "_read",
        lambda path, flags, *rest: (refuse if flags else read_some)(path, 0, *rest),
    )
    read()


def test_a_block_takes_no_more_with_more_studies():
    shapes = [block_module.block_shape(studies) for studies in (1, 20, 40, 1000)]
    assert shapes == [(256, 8192), (256, 6400), (136, 6144), (64, 512)]
    assert Block(0, 256, 0, 6400, False).pair_count == 256 * 6400 - 256 * 257 // 2
    assert Block(0, 256, 6400, 12800, False).pair_count == 256 * 6400


@pytest.fixture(scope="module")
def some_studies():
    dice = np.random.default_rng(9)
    studies = [study_of(dice, 330, 10, 9, 8) for _ in range(3)]
    studies[1][0][[5, 200], :2] = np.nan
    return studies


def result_of(folder: Path, tally: Tally) -> tuple:
    found = found_in(folder, tally, [1, 5, 9])
    arrays = (found.gene_a, found.gene_b, found.statistics, found.p, found.q, found.k)
    return tuple(array.tobytes() for array in arrays)


def test_killed_at_several_moments(some_studies, tmp_path, monkeypatch):
    monkeypatch.setattr(scan_module, "CHECKPOINT_S", -1.0)
    monkeypatch.setattr(block_module, "ROWS", 64)
    store_of(tmp_path / "whole", some_studies)
    expected = result_of(tmp_path / "whole", count_all(tmp_path / "whole", 300))

    class KilledError(BaseException):
        pass

    folder = tmp_path / "killed"
    store = store_of(folder, some_studies)
    blocks = blocks_of(store)
    assert len(blocks) == 8

    def count_done_when_killed(at: int) -> int:
        """Blocks in the checkpoint after a scan that is killed when it tells of block number `at`:
        it has been counted, and is not in the checkpoint yet."""
        told = []

        def advance(pairs: int) -> None:
            told.append(pairs)
            # The first that is told is what earlier scans have done.
            if len(told) > at:
                raise KilledError

        with pytest.raises(KilledError):
            scan(compute_block, folder, blocks, new_tally(store, 300), None, advance)
        path = folder / "checkpoint.pickle"
        return len(scan_module.Checkpoint.read(path, new_tally(store, 300)).done)

    assert [count_done_when_killed(at) for at in (1, 2, 3, 1, 2)] == [0, 1, 3, 3, 4]
    (folder / "checkpoint.pickle.part").write_bytes(b"half a checkp")
    half_written = folder / "statistics" / "0-64.bin.0a1b2c3d.part"
    half_written.write_bytes(b"half a blo")
    told = []
    tally = scan(compute_block, folder, blocks, new_tally(store, 300), None, told.append)
    assert result_of(folder, tally) == expected
    assert sum(told) == store.pair_count
    assert len(told) == 1 + len(blocks) - 4, "what was done before is not done again"
    assert not half_written.exists()


def test_a_disk_without_room(some_studies, tmp_path, monkeypatch):
    """It is told before a pair is computed; where it fills up later, what was done is not lost."""
    monkeypatch.setattr(block_module, "ROWS", 64)
    store = store_of(tmp_path, some_studies)
    blocks, empty = blocks_of(store), new_tally(store, 300)
    with monkeypatch.context() as patch:
        free = store.pair_count * 6 * 4 - 1
        patch.setattr(statistic_files.shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
        with pytest.raises(UserError, match=r"54404 PAIRS_DISK_EXCEEDED[\s\S]*take 1MB more"):
            scan(None, tmp_path, blocks, empty, None, lambda _: None)
    monkeypatch.setattr(scan_module, "CHECKPOINT_S", -1.0)

    def fill_up(folder, block, own):
        if block == blocks[-1]:
            raise OSError(errno.ENOSPC, "No space left on device")
        return compute_block(folder, block, own)

    with pytest.raises(UserError, match=r"54404[\s\S]*No space left"):
        scan(fill_up, tmp_path, blocks, empty, None, lambda _: None)
    told = []
    tally = scan(compute_block, tmp_path, blocks, new_tally(store, 300), None, told.append)
    assert told[0] > 0
    store_of(tmp_path / "whole", some_studies)
    assert result_of(tmp_path, tally) == result_of(
        tmp_path / "whole", count_all(tmp_path / "whole", 300)
    )


def test_files_that_a_crash_cut_short(some_studies, tmp_path):
    """All begins anew."""
    store = store_of(tmp_path, some_studies)
    expected = result_of(tmp_path, count_all(tmp_path, 300))
    told = []
    blocks = blocks_of(store)
    scan(compute_block, tmp_path, blocks, new_tally(store, 300), None, told.append)
    assert told == [store.pair_count], "nothing is done again"
    for size in (None, 40, 0):
        path = sorted((tmp_path / "statistics").iterdir())[2]
        os.truncate(path, path.stat().st_size - 8 if size is None else size)
        told = []
        tally = scan(compute_block, tmp_path, blocks, new_tally(store, 300), None, told.append)
        assert told[0] == 0
        assert result_of(tmp_path, tally) == expected


def test_a_cluster_gives_the_same_bit_for_bit(some_studies, tmp_path):
    distributed = pytest.importorskip("distributed")
    store = store_of(tmp_path / "local", some_studies)
    expected = result_of(tmp_path / "local", count_all(tmp_path / "local", 300))
    store = store_of(tmp_path / "dask", some_studies)
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
    ) as local:
        tally = scan(
            compute_block, tmp_path / "dask", blocks_of(store), new_tally(store, 300),
            Cluster(local.scheduler_address), lambda _: None,
        )  # fmt: skip
    assert result_of(tmp_path / "dask", tally) == expected


def test_no_cluster():
    with pytest.raises(UserError, match="54402 DASK_UNAVAILABLE"):
        Cluster("nowhere")


def test_heterogeneity_without_a_difference(tmp_path):
    """Each study's correlations differ at random in septic shock, with no mean: the plain z test
    rejects far too often, Hartung-Knapp's hardly more than it says, and finds nothing."""
    dice = np.random.default_rng(10)
    store = store_of(tmp_path, [study_of(dice, 500, 40, 40, 20, spread=0.7) for _ in range(6)])
    tally = count_all(tmp_path, store.pair_count)
    shares, discoveries = {}, {}
    files = files_of(tmp_path, tally)
    for number, (test, family) in enumerate(zip(TESTS, tally.families, strict=True)):
        _, p = smallest(family)
        q = false_discovery_rates(family, files, number, p, store.pair_count)
        shares[test] = np.mean(p < 0.001) / 0.001
        discoveries[test] = int(np.count_nonzero(q <= 0.05))
    assert 0.3 < shares["ss_hk"] < 2
    assert 0.3 < shares["soth_hk"] < 2
    assert shares["ss"] > 5
    assert discoveries["ss_hk"] <= 3 < discoveries["ss"]


def test_memory_is_told_before():
    with pytest.raises(UserError, match=r"54401 PAIRS_MEMORY_EXCEEDED[\s\S]*take 9\d\.\dGB"):
        require_memory(2 * 10**9, 100_000, 60_000, 65_000, 20, 2)
    with pytest.raises(UserError, match="54401"):
        plan_correlations(10**9, 60_000, 10_000, 2)
    require_memory(2 * 10**9, 100_000, 20_000, 200, 20, 2)


@pytest.mark.parametrize("text", ["2", "0GB", "-1GB", "two GB", "2GB or so"])
def test_memory_that_is_no_size(text):
    with pytest.raises(UserError, match="54030 CONFIG_INVALID"):
        parse_memory(text)


def test_memory_sizes():
    assert (parse_memory("1.5GB"), parse_memory("500mb")) == (1_500_000_000, 500_000_000)


@pytest.mark.parametrize("method", ["variance", "iqr", "mad"])
def test_variability_is_that_of_the_sql(method):
    dice = np.random.default_rng(11)
    values = np.round(dice.normal(size=(30, 12)), 1)
    values[dice.random(values.shape) < 0.2] = np.nan
    values[0, 1:], values[1] = np.nan, np.nan
    gene, _ = (place.ravel() for place in np.indices(values.shape))
    known = ~np.isnan(values.ravel())
    expression = pa.table(  # noqa: F841
        {
            "study_key": np.ones(known.sum(), int),
            "gene_key": gene[known],
            "expression_value": values.ravel()[known],
        }
    )
    sql = statistics_macros("duckdb").gene_variability("expression", method)
    expected = dict(duckdb.sql(f"select gene_key, variability from ({sql})").fetchall())
    found = variability(values, method)
    assert np.isnan(found[1])
    assert set(expected) == {*range(30)} - {1}
    for place, value in expected.items():
        assert np.isnan(found[place]) if value is None else found[place] == pytest.approx(value)


def test_chosen_genes():
    """Of genes that enough studies measured and that vary; of equal ones the first. Watched ones
    come beside, if they fit."""
    spread = np.array([[3.0, 1, 4, 0, 9, np.nan], [1, 1, 0, 0, np.nan, 7], [2, 4, 2, 0, np.nan, 9]])
    measured = ~np.isnan(spread)
    assert list(choose_genes(spread, measured, 2, None, np.array([], int))) == [0, 1, 2, 5]
    assert list(choose_genes(spread, measured, 2, 1, np.array([], int))) == [5]
    assert list(choose_genes(spread, measured, 3, 1, np.array([2, 3, 4]))) == [0, 2]
    assert list(choose_genes(spread[:1], measured[:1], 3, 1, np.array([], int))) == [4]


def test_two_that_write_a_file_at_once_do_not_meet(tmp_path):
    path = tmp_path / "block.bin"
    with open_atomically(path, sync=False) as first, open_atomically(path, sync=False) as second:
        first.write(b"whole")
        second.write(b"whole")
    assert path.read_bytes() == b"whole"
    with pytest.raises(OSError, match="full"), open_atomically(path) as third:
        third.write(b"half")
        raise OSError("full")
    assert [file.name for file in tmp_path.iterdir()] == ["block.bin"]
    assert path.read_bytes() == b"whole"


def test_r_of_two_genes_has_no_direction(tmp_path):
    """To the last bit, whichever is first and whichever way it is computed: rates find a pair's p
    among all p."""
    rng = np.random.default_rng(11)
    common = rng.standard_normal(60)
    values = common + 0.02 * rng.standard_normal((40, 60))
    values[20:, 0] = np.nan
    writer = RankStoreWriter(tmp_path, Settings(k_min=1, min_samples=4, spearman_se="fisher"))
    writer.add([values, values[:, :30], values[:, 30:]], np.arange(40))
    writer.finish()
    store = open_store(tmp_path)
    a, b = np.triu_indices(40, 1)
    r, n = store.correlate_pairs(a, b)
    for of, others in ((a, b), (b, a)):
        for gene in range(40):
            own_r, own_n = store.correlate(gene, others[of == gene])
            np.testing.assert_array_equal(own_r, r[:, :, of == gene])
            np.testing.assert_array_equal(own_n, n[:, :, of == gene])
