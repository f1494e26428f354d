"""A screen's false discovery rates against scipy over all pairs, and the widths of its bins."""

import math
import time

import numpy as np
import pytest
from scipy import stats
from test_pair_numbers import DESIGN, count_all, kept_of, settings_of, store_of, study_of

from expression_warehouse.pairs.engine.block import new_tallies
from expression_warehouse.pairs.engine.deciding import decide, log_p_table
from expression_warehouse.pairs.engine.false_discovery import false_discovery_rates
from expression_warehouse.pairs.engine.histogram import PAGE, PAGES, WIDTH, bin_edges, p_value
from expression_warehouse.pairs.engine.pooled_pairs import pool_pairs
from expression_warehouse.pairs.engine.tally import Tally


def assert_rates(q: np.ndarray, p: np.ndarray, exact: np.ndarray) -> None:
    """In [exact, 1.001 exact], at least p, at most 1, and monotone in p."""
    is_tested = ~np.isnan(exact)
    assert list(np.isnan(q)) == list(~is_tested)
    q, p, exact = q[is_tested], p[is_tested], exact[is_tested]
    assert (q >= exact).all()
    assert (q <= 1.001 * exact).all(), (q / exact).max()
    assert (q >= p).all()
    assert (q <= 1).all()
    assert (np.diff(q[np.argsort(p, kind="stable")]) >= 0).all()


@pytest.mark.parametrize("df", [0, 1, 2, 3, 4, 5, 7, 10, 19, 30, 57, 100, 365, 1000, 4000])
def test_bins_are_narrow_down_to_1e_300(df):
    bins = np.arange(PAGE * PAGES + 1)
    edges = bin_edges(df, bins)
    assert (np.diff(edges[np.isfinite(edges)]) > 0).all()
    finite = edges[np.isfinite(edges)]
    p = p_value(finite, np.array(df))
    p = p[p > 1e-300]
    # Hartung-Knapp's t ends at 1e12.
    assert len(p) < len(finite) or finite[-1] > 1e12
    assert p[0] == pytest.approx(1)
    assert -np.diff(np.log(p)).min() < WIDTH * (1 + 1e-6)
    assert -np.diff(np.log(p)).max() > 0
    assert np.abs(np.diff(np.log(p))).max() < WIDTH * (1 + 1e-6)
    assert math.exp(WIDTH) < 1.001 * (1 - 1e-6)


def simulated_tests(kind: str, student: bool) -> tuple[np.ndarray, np.ndarray]:
    """(genes, genes) statistics, and their degrees of freedom."""
    dice = np.random.default_rng(7)
    df = dice.integers(1, 13, (300, 300)) if student else np.zeros((300, 300), np.int64)
    x = stats.t.rvs(df, random_state=8) if student else dice.standard_normal((300, 300))
    if kind == "signal":
        x[dice.random(x.shape) < 0.02] *= 4
    if kind == "strong":
        # The least m p / rank lies far beyond the candidates.
        x[dice.random(x.shape) < 0.5] += 2.5
    if kind == "extreme":
        # Far more small p than candidates: most of them are in bins only.
        x[dice.random(x.shape) < 0.5] *= 20
    if kind == "ties":
        x = np.round(2 * x, 1)
    if kind == "zeros":
        x[dice.random(x.shape) < 0.01] *= np.inf if student else 50
    if kind != "null":
        x[dice.random(x.shape) < 0.05] = np.nan
    return x, df


@pytest.mark.parametrize("student", [False, True])
@pytest.mark.parametrize("kind", ["null", "signal", "strong", "extreme", "ties", "zeros"])
def test_rates_of_any_test(kind, student):
    """q is right whether or not the test is a candidate, in whatever order blocks are merged."""
    x, df = simulated_tests(kind, student)
    upper, keep = np.triu_indices(300, 1), 700
    tally = Tally(tuple(range(13)) if student else (0,), keep)
    genes = np.arange(300, dtype=np.int32)
    for first in np.random.default_rng(1).permutation(6) * 50:
        rows, block = slice(first, first + 50), tally.like()
        block.add(x[rows], df[rows].astype(np.int32), genes[rows], genes)
        tally.merge(block.restored(block.arrays()))
    statistics, degrees = x[upper], df[upper]
    is_tested = ~np.isnan(statistics)
    assert tally.histogram.total == is_tested.sum()
    p, exact = np.full((2, len(statistics)), np.nan)
    p[is_tested] = p_value(np.abs(statistics[is_tested]), degrees[is_tested])
    exact[is_tested] = stats.false_discovery_control(p[is_tested])
    candidates, candidate_p = tally.sorted_candidates()
    # p of 0 and what is next to it have few digits.
    has_digits = ~(p < 1e-300) | (p == 0)
    q = false_discovery_rates(tally, candidate_p, p)
    assert_rates(q[has_digits], p[has_digits], exact[has_digits])
    assert (p == 0).any() == (kind == "zeros" or (kind == "extreme" and not student))
    order = np.lexsort((upper[1], upper[0], np.where(p == 0, -np.abs(statistics), 0), p))[:keep]
    assert keep <= len(candidates) < 3 * keep
    assert list(candidates["gene_a"][:keep]) == list(upper[0][order])
    assert list(candidates["gene_b"][:keep]) == list(upper[1][order])
    assert list(candidate_p) == sorted(candidate_p)


def exact_p(store, pooled) -> np.ndarray:
    """p of all tests of all pairs that count, (tests, pairs); NaN where there is none."""
    p = np.full(pooled.statistics.shape, np.nan)
    for test, (tally, values, rows) in enumerate(
        zip(new_tallies(store, 1), pooled.statistics, pooled.rows, strict=True)
    ):
        counts = ~np.isnan(values) & (rows >= 0)
        degrees = np.array(tally.degrees)[rows[counts]]
        p[test, counts] = p_value(np.abs(values[counts]), degrees)
    hk, pair = p[store.design.hk], p[store.design.pair]
    tests = (~np.isnan(hk)).sum(axis=0)
    has_test = tests > 0
    pair[has_test] = np.minimum(1, tests[has_test] * np.nanmin(hk[:, has_test], axis=0))
    return p


def assert_screen(folder, studies, keep: int, watched: list[int], k_min: int) -> None:
    """All kept pairs in all tests, against scipy's rates over all pairs that have the test."""
    genes = len(studies[0][0])
    store = store_of(folder, studies, settings_of(k_min))
    kept = kept_of(folder, count_all(folder, keep), watched)
    upper = np.array(np.triu_indices(genes, 1))
    position = np.searchsorted(upper[0] * genes + upper[1], kept.gene_a * genes + kept.gene_b)
    assert keep < len(position) < store.pair_count / 10
    pooled = pool_pairs(store, *upper)
    for number, (name, p) in enumerate(zip(DESIGN.tests, exact_p(store, pooled), strict=True)):
        counts = ~np.isnan(p)
        exact = np.full(len(p), np.nan)
        exact[counts] = stats.false_discovery_control(p[counts])
        assert kept.counted[number] == counts.sum(), name
        found = np.where(np.isnan(kept.q[number]), np.nan, kept.p[number])
        np.testing.assert_allclose(found, p[position], rtol=1e-12, err_msg=name)
        assert_rates(kept.q[number], found, exact[position])
        if not name.endswith("adhoc"):
            size = np.abs(pooled.statistics[number])
            best = np.lexsort((-size, np.where(counts, p, 2)))[: min(keep, counts.sum())]
            assert np.isin(p[best], found).all(), name
    assert len(np.unique(pooled.k)) > 2


@pytest.mark.parametrize("k_min", [1, 3])
def test_rates_of_kept_pairs(tmp_path, k_min):
    """Many pairs are of genes that some studies lack, some have equal statistics, some a p of 0.
    Contrasts of a pair have different numbers of studies."""
    dice = np.random.default_rng(8)
    studies = [study_of(dice, 330, 12, 13, 8) for _ in range(4)]
    studies += [study_of(dice, 330, 400, 400, 60, spread=0.3)]
    for cohorts in studies:
        for values in cohorts:
            values[dice.random(330) < 0.15] = np.nan
            values[20:30] = values[10:20]
        cohorts[0][40:44] = cohorts[0][40]
    studies[2][1][100, :3] = np.nan
    assert_screen(tmp_path, studies, 30, [2, 3, 200], k_min)


def test_rates_over_1_999_000_pairs(tmp_path):
    """2,000 genes that not all studies have, some of them in modules of septic shock only."""
    started = time.monotonic()
    dice = np.random.default_rng(6)
    studies = [study_of(dice, 2000, 10, 10, 8, spread=0.4) for _ in range(3)]
    for cohorts, share in zip(studies, (0.0, 0.1, 0.2), strict=True):
        absent = dice.random(2000) < share
        for values in cohorts:
            values[absent] = np.nan
        cohorts[0][:60] += 3 * dice.normal(size=cohorts[0].shape[1])
    assert_screen(tmp_path, studies, 1000, [*range(0, 2000, 400)], 1)
    print(f"{time.monotonic() - started:.1f} s")


@pytest.mark.parametrize("most", [1, 4, 30, 200])
def test_the_least_p_decides(most):
    """Contrasts with different degrees of freedom, to a relative error of 4e-5."""
    dice = np.random.default_rng(9)
    rows = dice.integers(-1, most + 1, (3, 200, 200), dtype=np.int32)
    t = np.exp(dice.normal(0, 1.5, rows.shape)) * dice.choice([-1.0, 1.0], rows.shape)
    t[dice.random(t.shape) < 0.1] = np.nan
    t[rows == 0] = np.nan
    # Two nearly equal p.
    close = (rows[:2] > 0).all(axis=0) & ~np.isnan(t[0])
    p0 = p_value(np.abs(t[0][close]), rows[0][close])
    t[1][close] = stats.t.isf(p0 / 2, rows[1][close]) * (1 + dice.normal(0, 1e-3, close.sum()))
    statistic, row = np.empty((200, 200)), np.empty((200, 200), np.int32)
    decide(t, rows, most + 1, *log_p_table(most), statistic, row)
    is_tested = (rows >= 0) & ~np.isnan(t)
    p = np.full(t.shape, np.nan)
    p[is_tested] = p_value(np.abs(t[is_tested]), rows[is_tested])
    tests = is_tested.sum(axis=0)
    assert (np.isnan(statistic) == (tests == 0)).all()
    assert ((row == -1) == (tests == 0)).all()
    has_test = tests > 0
    assert (row[has_test] // (most + 1) == tests[has_test] - 1).all()
    chosen = p_value(np.abs(statistic[has_test]), row[has_test] % (most + 1))
    least = np.nanmin(p[:, has_test], axis=0)
    is_small = least < 1e-50
    assert (chosen[~is_small] <= least[~is_small] * (1 + 4e-5)).all()
    assert (chosen[is_small] < 1e-49).all()
    assert math.exp(WIDTH) * (1 + 4e-5) < 1.001 * (1 - 1e-6)
