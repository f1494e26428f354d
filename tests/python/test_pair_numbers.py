"""The numbers of a screen, without a warehouse: statistics against the oracle, false discovery rates
against scipy, the same result in any order, after any kill and on a cluster."""

import contextlib
import json
import os
import shutil
from decimal import Decimal
from pathlib import Path

import duckdb
import numpy as np
import oracle
import pyarrow as pa
import pytest

from expression_warehouse.core.errors import UserError
from expression_warehouse.core.files import named_os_errors, open_atomically
from expression_warehouse.core.warehouse.macros import statistics_macros
from expression_warehouse.pairs import checkpoint
from expression_warehouse.pairs.contrasts import Contrast, Design
from expression_warehouse.pairs.engine import block as block_module
from expression_warehouse.pairs.engine.block import (
    Block,
    blocks_of,
    compute_block,
    new_tallies,
)
from expression_warehouse.pairs.engine.correlation import (
    compute_correlations,
    correlation_degrees,
    t_statistic,
)
from expression_warehouse.pairs.engine.false_discovery import false_discovery_rates
from expression_warehouse.pairs.engine.logarithm import half_log_ratio
from expression_warehouse.pairs.engine.memory import plan_correlations, require_memory
from expression_warehouse.pairs.engine.pooled_pairs import pool_pairs
from expression_warehouse.pairs.engine.rank_transform import EXACT_FLOAT32_SAMPLES, average_ranks
from expression_warehouse.pairs.engine.scan import connect, scan
from expression_warehouse.pairs.engine.tally import CANDIDATE, Tally
from expression_warehouse.pairs.engine.transform_store import (
    TransformStore,
    is_complete,
    open_store,
    transform_study,
    write_store,
)
from expression_warehouse.pairs.expression import choose_genes, variability
from expression_warehouse.pairs.screened_pairs import ScreenedPairs, collect
from expression_warehouse.pairs.settings import Settings, parse_memory

Cohorts = list[np.ndarray]

DESIGN = Design(
    (
        Contrast("ss", ("SEPTIC_SHOCK",), ("SEPSIS",)),
        Contrast("soth", ("SEPTIC_SHOCK",), ("SEPSIS", "CONTROL")),
        Contrast("sc", ("SEPSIS",), ("CONTROL",)),
    )
)


def settings_of(k_min: int = 1, spearman_se: str = "fisher", min_samples: int = 8) -> Settings:
    return Settings(k_min, min_samples, spearman_se, detection_share_min=0.2)


def store_of(
    folder: Path,
    studies: list[Cohorts],
    settings: Settings | None = None,
    design: Design = DESIGN,
) -> TransformStore:
    settings = settings or settings_of()
    transforms = (transform_study(own, np.arange(len(own[0])), settings) for own in studies)
    write_store(folder, transforms, settings, design)
    open_store.cache_clear()
    return open_store(folder)


def study_of(
    dice: np.random.Generator,
    genes: int,
    shock: int,
    sepsis: int,
    control: int,
    spread: float = 0.5,
) -> Cohorts:
    """Cohorts of a study whose genes share factors with other loadings in each."""
    cohorts = []
    for n in (shock, sepsis, control):
        loadings = dice.normal(0, spread, (genes, 3))
        cohorts.append(loadings @ dice.normal(size=(3, n)) + dice.normal(size=(genes, n)))
    return cohorts


def count_all(folder: Path, keep: int) -> list[Tally]:
    store = open_store(folder)
    return scan(folder, blocks_of(store), new_tallies(store, keep), None, lambda _: None)


def kept_of(folder: Path, tallies: list[Tally], watched: list[int]) -> ScreenedPairs:
    store = open_store(folder)
    return collect(store, tallies, np.array(watched), np.arange(store.gene_count))


def estimates_of(
    studies: list[Cohorts], design: Design, a: int, b: int, spearman_se: str
) -> dict[str, list[tuple[float, float, int]]]:
    """Per contrast: difference, SE and samples of each study that has it."""
    estimates = {contrast.name: [] for contrast in design.contrasts}
    for cohorts in studies:
        found = {}
        for label, values in zip(design.cohorts, cohorts, strict=True):
            r_n = oracle.spearman(values[a], values[b])
            if r_n and r_n[1] >= 8:
                found[label] = (*oracle.fisher(*r_n, spearman_se), r_n[1])
        for contrast in design.contrasts:
            case, references = (
                [found[label] for label in side if label in found]
                for side in (contrast.case, contrast.references)
            )
            if case and references:
                (z1, se1, n1), (z2, se2, n2) = map(oracle.stratified, (case, references))
                estimates[contrast.name].append((z1 - z2, np.hypot(se1, se2), n1 + n2))
    return estimates


def expected_of(
    studies: list[Cohorts], design: Design, a: int, b: int, settings: Settings
) -> tuple[dict[str, float | None], list[int]]:
    """The statistics of a pair by test, and the studies of each contrast."""
    estimates = estimates_of(studies, design, a, b, settings.spearman_se)
    pooled = {name: oracle.pooled_of(own) for name, own in estimates.items()}
    expected: dict[str, float | None] = {}
    p_hk = {}
    for name, own in pooled.items():
        knapp = own.hartung_knapp() if own else {"hk_se": None, "hk_adhoc_se": None, "hk_p": None}
        expected[f"{name}_z"] = own and own.z
        # Equal estimates scatter only by rounding.
        has_se = own and knapp["hk_se"] and knapp["hk_se"] > 1e-12 * abs(own.mean)
        expected[f"{name}_hk"] = own.mean / knapp["hk_se"] if has_se else None
        adhoc = knapp["hk_adhoc_se"]
        expected[f"{name}_hk_adhoc"] = own.mean / adhoc if adhoc else None
        if has_se and own.k >= settings.k_min:
            p_hk[name] = knapp["hk_p"]
    least = min(p_hk, key=p_hk.get, default=None)
    expected["pair"] = least and expected[f"{least}_hk"]
    if design.combined:
        both = {name: pooled[name] for name in ("ss", "soth")}
        samples = {name: sum(n for *_, n in estimates[name]) for name in both}
        row = oracle.combined_columns(both, samples)
        expected["combined"] = row["combined_z_score"]
        expected["combined_dependent"] = row["combined_z_dependent"]
    return expected, [own.k if own else 0 for own in pooled.values()]


def assert_statistics(store: TransformStore, studies: list[Cohorts], pairs: np.ndarray) -> None:
    """Against the oracle; and what counts is of contrasts with k_min studies or more."""
    pooled = pool_pairs(store, *pairs)
    contrasts = len(store.design.contrasts)
    for i, (a, b) in enumerate(pairs.T):
        expected, k = expected_of(studies, store.design, a, b, store.settings)
        assert list(pooled.k[:, i]) == k
        assert set(expected) == set(store.design.tests)
        eligible = [count >= store.settings.k_min for count in k]
        assert list(pooled.rows[:contrasts, i] >= 0) == eligible
        for test, found in zip(store.design.tests, pooled.statistics[:, i], strict=True):
            if (other := expected[test]) is None:
                assert np.isnan(found), (a, b, test)
            else:
                assert found == pytest.approx(other, rel=1e-9), (a, b, test)


def random_pairs(dice: np.random.Generator, genes: int, size: int) -> np.ndarray:
    a, b = np.triu_indices(genes, 1)
    chosen = dice.choice(len(a), size, replace=False)
    return np.array([a[chosen], b[chosen]])


def test_logarithm_of_a_ratio():
    """Precise for nearly equal numbers too, whose rounded quotient would lose digits."""
    dice = np.random.default_rng(1)
    a, b = np.exp(dice.normal(0, 8, (2, 10_000)))
    b[5_000:] = a[5_000:] * (1 + dice.normal(0, 1e-6, 5_000))
    for one, other in zip(a, b, strict=True):
        exact = (Decimal(float(one)) / Decimal(float(other))).ln() / 2
        assert half_log_ratio(one, other) == pytest.approx(float(exact), rel=6e-16)


def test_ranks_of_ties():
    values = np.array([5.0, 1.0, 5.0, 7.0])
    assert list(average_ranks(values, np.argsort(values))) == [0.0, -3.0, 0.0, 3.0]


def test_a_thousand_random_pairs(tmp_path):
    dice = np.random.default_rng(2)
    sizes = [(12, 14, 20), (20, 30, 25), (9, 8, 8), (40, 35, 12), (15, 15, 15), (60, 50, 10)]
    studies = [study_of(dice, 60, *own) for own in sizes]
    store = store_of(tmp_path, studies)
    assert_statistics(store, studies, random_pairs(dice, 60, 1000))


def test_contrasts_of_several_cohorts_on_each_side(tmp_path):
    """Four cohorts, and contrasts that share them; not all studies have all."""
    design = Design(
        (
            Contrast("flare", ("FLARE", "ACTIVE"), ("CONTROL", "REMISSION")),
            Contrast("ca", ("ACTIVE",), ("CONTROL",)),
        )
    )
    assert design.cohorts == ("FLARE", "ACTIVE", "CONTROL", "REMISSION")
    assert design.sides.tolist() == [[1, 1, -1, -1], [0, 1, -1, 0]]
    assert design.tests[-1] == "pair", "only ss and soth are combined"
    dice = np.random.default_rng(15)
    studies = []
    for sizes in ((9, 14, 8, 20), (30, 0, 12, 9), (8, 8, 8, 8), (7, 25, 11, 3), (0, 15, 0, 12)):
        studies.append([dice.normal(size=(20, n)) for n in sizes])
    for settings in (settings_of(k_min=3), settings_of(k_min=4, spearman_se="bonett_wright")):
        store = store_of(tmp_path, studies, settings, design)
        assert_statistics(store, studies, np.array(np.triu_indices(20, 1)))


def test_one_contrast(tmp_path):
    design = Design((Contrast("cc", ("CASE",), ("CONTROL",)),))
    dice = np.random.default_rng(16)
    studies = [[dice.normal(size=(20, n)) for n in (12, 9)] for _ in range(4)]
    store = store_of(tmp_path, studies, settings_of(3), design)
    assert_statistics(store, studies, np.array(np.triu_indices(20, 1)))


@pytest.mark.parametrize("k_min", [1, 3])
@pytest.mark.parametrize("se", ["fisher", "fieller", "bonett_wright"])
def test_ties_gaps_constant_genes_and_small_cohorts(tmp_path, se, k_min):
    dice = np.random.default_rng(3)
    sizes = [(10, 12, 9), (8, 20, 7), (7, 15, 12), (11, 6, 14)]
    studies = [study_of(dice, 24, *own) for own in sizes]
    for cohorts in studies:
        for values in cohorts:
            np.round(values, 1, out=values)
    studies[0][0][1] = 4.0  # constant
    studies[1][2][2] = np.nan  # not measured
    for values in studies[1]:
        values[3] = np.nan  # not measured in the study
    for cohorts in studies:
        cohorts[0][4, 0] = np.nan  # partly missing, in all studies
    for cohorts in studies[1:]:
        for values in cohorts:
            values[5] = np.nan  # one study only
    studies[0][1][6, :3] = np.nan
    studies[0][2][6, 2:6] = np.nan
    studies[0][0][8] = studies[0][0][7]  # r is 1
    store = store_of(tmp_path, studies, settings_of(k_min, se))
    a, b = np.triu_indices(24, 1)
    assert_statistics(store, studies, np.array([a, b]))
    # The tiles and the slow path of genes with missing values count the same, each pair once.
    pooled = pool_pairs(store, a, b)
    tallies = count_all(tmp_path, 10_000)
    for test, tally, own, rows in zip(
        store.design.tests, tallies, pooled.statistics, pooled.rows, strict=True
    ):
        is_tested = ~np.isnan(own) & (rows >= 0)
        assert tally.histogram.total == is_tested.sum()
        if test.endswith("adhoc"):
            continue
        kept = np.concatenate([np.empty(0, CANDIDATE), *tally.candidates])
        order = np.lexsort((kept["gene_b"], kept["gene_a"]))
        assert list(kept["gene_a"][order]) == list(a[is_tested])
        assert list(kept["gene_b"][order]) == list(b[is_tested])
        assert kept["size"][order] == pytest.approx(np.abs(own[is_tested]), rel=1e-12)


def test_one_study_has_no_hartung_knapp(tmp_path):
    dice = np.random.default_rng(4)
    studies = [study_of(dice, 20, 10, 10, 10)]
    store = store_of(tmp_path, studies)
    assert_statistics(store, studies, np.array(np.triu_indices(20, 1)))
    counts = [tally.histogram.total for tally in count_all(tmp_path, 1000)]
    assert counts == [190] * 3 + [0] * 7 + [190] * 2


def test_too_few_studies_count_nowhere(tmp_path):
    """They have statistics, but they are in no false discovery rate."""
    dice = np.random.default_rng(4)
    studies = [study_of(dice, 20, 10, 10, 10) for _ in range(3)]
    studies[0][2] = studies[0][2][:, :5]
    store = store_of(tmp_path, studies, settings_of(k_min=3))
    assert_statistics(store, studies, np.array(np.triu_indices(20, 1)))
    tallies = count_all(tmp_path, 50)
    counts = dict(zip(DESIGN.tests, (tally.histogram.total for tally in tallies), strict=True))
    assert counts == {test: 0 if test.startswith("sc_") else 190 for test in DESIGN.tests}
    kept = kept_of(tmp_path, tallies, [])
    sc = [DESIGN.tests.index(f"sc_{kind}") for kind in ("z", "hk", "hk_adhoc")]
    assert np.isnan(kept.q[sc]).all()
    assert not np.isnan(kept.p[sc]).any()
    assert kept.pairs_tested == 190


def test_many_samples_take_64_bits(tmp_path):
    dice = np.random.default_rng(5)
    studies = [study_of(dice, 12, 10, 10, EXACT_FLOAT32_SAMPLES + 1), study_of(dice, 12, 9, 9, 9)]
    store = store_of(tmp_path, studies)
    assert [ranks.dtype.itemsize for ranks in store.studies[0].ranks] == [4, 4, 8]
    assert_statistics(store, studies, np.array(np.triu_indices(12, 1)))
    largest = np.arange(EXACT_FLOAT32_SAMPLES) * 2.0 - EXACT_FLOAT32_SAMPLES + 1
    assert float(largest @ largest) < 2**24


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
        tallies = [compute_block(tmp_path, block, new_tallies(store, 10**6))[0] for block in blocks]
        kept = np.concatenate([part for tally in tallies for part in tally.candidates])
        order = np.lexsort((kept["gene_b"], kept["gene_a"]))
        np.testing.assert_array_equal([kept["gene_a"][order], kept["gene_b"][order]], expected)


@pytest.mark.parametrize("partial", [[19], [0], [7, 8], [*range(20)]])
def test_correlations_in_narrow_blocks(tmp_path, monkeypatch, partial):
    """Some blocks have no gene after one with missing values."""
    dice = np.random.default_rng(14)
    values = dice.normal(size=(20, 12))
    values[partial, 1] = np.nan
    store = store_of(tmp_path, [[values]], design=Design(()))
    for shape in ((256, 8192), (4, 8)):
        monkeypatch.setattr(block_module, "block_shape", lambda *_, shape=shape: shape)
        tally = Tally(correlation_degrees(store), 1000)
        for block in blocks_of(store):
            tally.merge(*compute_correlations(store, block, [tally]))
        kept = np.concatenate(tally.candidates)
        order = np.lexsort((kept["gene_b"], kept["gene_a"]))
        a, b = np.triu_indices(20, 1)
        np.testing.assert_array_equal([kept["gene_a"][order], kept["gene_b"][order]], [a, b])
        r, n = store.spearman_of_pairs(a, b)
        np.testing.assert_allclose(kept["size"][order], np.abs(t_statistic(r, n)[0, 0]), rtol=1e-12)


def test_blocks_of_another_shape_are_not_taken_up(some_studies, tmp_path, monkeypatch):
    store = store_of(tmp_path, some_studies)
    expected = result_of(tmp_path, count_all(tmp_path, 300))
    for rows in (64, 100):
        monkeypatch.setattr(block_module, "ROWS", rows)
        told = []
        blocks = blocks_of(store)
        tallies = scan(tmp_path, blocks, new_tallies(store, 300), None, told.append)
        assert told[0] == 0
        assert result_of(tmp_path, tallies) == expected


def test_a_block_takes_no_more_with_more_studies():
    shapes = [block_module.block_shape(studies, 3) for studies in (1, 20, 40, 1000)]
    assert shapes == [(256, 8192), (256, 6400), (136, 6144), (64, 512)]
    assert Block(0, 256, 0, 6400, False).pair_count == 256 * 6400 - 256 * 257 // 2
    assert Block(0, 256, 6400, 12800, False).pair_count == 256 * 6400


@pytest.fixture(scope="module")
def some_studies():
    dice = np.random.default_rng(9)
    studies = [study_of(dice, 330, 10, 9, 8) for _ in range(3)]
    studies[1][0][[5, 200], :2] = np.nan
    return studies


def result_of(folder: Path, tallies: list[Tally]) -> tuple:
    found = kept_of(folder, tallies, [1, 5, 9])
    arrays = (found.gene_a, found.gene_b, found.statistics, found.p, found.q, found.k)
    return tuple(array.tobytes() for array in arrays)


def test_killed_at_several_moments(some_studies, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "CHECKPOINT_S", -1.0)
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
            scan(folder, blocks, new_tallies(store, 300), None, advance)
        with contextlib.suppress(FileNotFoundError), np.load(folder / "checkpoint.npz") as file:
            return len(file["done"])
        return 0

    assert [count_done_when_killed(at) for at in (1, 2, 3, 1, 2)] == [0, 1, 3, 3, 4]
    (folder / "checkpoint.npz.part").write_bytes(b"half a checkp")
    told = []
    tallies = scan(folder, blocks, new_tallies(store, 300), None, told.append)
    assert result_of(folder, tallies) == expected
    assert sum(told) == store.pair_count
    assert len(told) == 1 + len(blocks) - 4, "what was done before is not done again"


def test_damaged_and_foreign_checkpoints_count_as_absent(some_studies, tmp_path):
    store = store_of(tmp_path, some_studies)
    expected = result_of(tmp_path, count_all(tmp_path, 300))
    path, blocks = tmp_path / "checkpoint.npz", blocks_of(store)

    def pairs_done_before(keep: int = 300) -> int:
        told = []
        empty = new_tallies(store, keep)
        tallies = scan(tmp_path, blocks, empty, None, told.append)
        if keep == 300:
            assert result_of(tmp_path, tallies) == expected
        return told[0]

    assert pairs_done_before() == store.pair_count
    whole = path.read_bytes()
    pickled = tmp_path / "pickled.npz"
    np.savez(pickled, key=np.array([{}], object))
    for content in (b"", whole[:100], whole[: len(whole) // 2], b"x" * 99, pickled.read_bytes()):
        path.write_bytes(content)
        assert pairs_done_before() == 0
    assert pairs_done_before(keep=301) == 0
    assert pairs_done_before() == 0


@pytest.mark.parametrize("name", ["store.json", "ranks_1_2.npy", "values_1_0.npy", "inverse.npy"])
def test_a_damaged_store_counts_as_absent(some_studies, tmp_path, name):
    store_of(tmp_path, some_studies)
    assert is_complete(tmp_path)
    os.truncate(tmp_path / name, (tmp_path / name).stat().st_size - 9)
    open_store.cache_clear()
    assert not is_complete(tmp_path)
    (tmp_path / name).unlink()
    assert not is_complete(tmp_path)


def test_a_store_that_was_deleted_is_absent(some_studies, tmp_path):
    """Even if this process had it open."""
    store_of(tmp_path / "store", some_studies)
    assert is_complete(tmp_path / "store")
    shutil.rmtree(tmp_path / "store")
    assert not is_complete(tmp_path / "store")


def test_an_older_store_counts_as_absent(some_studies, tmp_path):
    store_of(tmp_path, some_studies)
    (tmp_path / "store.json").write_text(json.dumps({"samples": [[9, 9, 9]]}))
    open_store.cache_clear()
    assert not is_complete(tmp_path)


def test_a_cluster_gives_the_same_bit_for_bit(some_studies, tmp_path):
    distributed = pytest.importorskip("distributed")
    store = store_of(tmp_path / "local", some_studies)
    expected = result_of(tmp_path / "local", count_all(tmp_path / "local", 300))
    store = store_of(tmp_path / "dask", some_studies)
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
    ) as local:
        tallies = scan(
            tmp_path / "dask", blocks_of(store), new_tallies(store, 300),
            connect(local.scheduler_address), lambda _: None,
        )  # fmt: skip
    assert result_of(tmp_path / "dask", tallies) == expected


def test_no_cluster():
    with pytest.raises(UserError, match="54402 DASK_UNAVAILABLE"):
        connect("nowhere")


def test_heterogeneity_without_a_difference(tmp_path):
    """Each study's correlations differ at random in septic shock, with no mean: the plain z test
    rejects far too often, Hartung-Knapp's hardly more than it says, and finds nothing."""
    dice = np.random.default_rng(10)
    store = store_of(tmp_path, [study_of(dice, 500, 40, 40, 20, spread=0.7) for _ in range(6)])
    shares, discoveries = {}, {}
    for test, tally in zip(DESIGN.tests, count_all(tmp_path, store.pair_count), strict=True):
        _, p = tally.sorted_candidates()
        q = false_discovery_rates(tally, p, p)
        shares[test] = np.mean(p < 0.001) / 0.001
        discoveries[test] = int(np.count_nonzero(q <= 0.05))
    assert 0.3 < shares["ss_hk"] < 2
    assert 0.3 < shares["soth_hk"] < 2
    assert shares["ss_z"] > 5
    assert discoveries["pair"] <= 3 < discoveries["ss_z"]


def test_memory_is_told_before():
    with pytest.raises(UserError, match=r"54401 PAIRS_MEMORY_EXCEEDED[\s\S]*take 9\d\.\dGB"):
        require_memory(2 * 10**9, 100_000, 60_000, 65_000, 20, DESIGN, 2)
    with pytest.raises(UserError, match="54401"):
        plan_correlations(10**9, 60_000, 10_000, 2)
    require_memory(2 * 10**9, 100_000, 20_000, 200, 20, DESIGN, 2)


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
    """The genes that vary most, of those that enough studies measured; of equal ones the first.
    Watched genes come in addition, if they qualify."""
    spread = np.array([[3.0, 1, 4, 0, 9, np.nan], [1, 1, 0, 0, np.nan, 7], [2, 4, 2, 0, np.nan, 9]])
    measured = ~np.isnan(spread)
    assert list(choose_genes(spread, measured, 2, None, np.array([], int))) == [0, 1, 2, 5]
    assert list(choose_genes(spread, measured, 2, 1, np.array([], int))) == [5]
    assert list(choose_genes(spread, measured, 3, 1, np.array([2, 3, 4]))) == [0, 2]
    assert list(choose_genes(spread[:1], measured[:1], 3, 1, np.array([], int))) == [4]


def test_a_file_is_replaced_in_one_step(tmp_path):
    path = tmp_path / "file"
    with open_atomically(path) as file:
        file.write(b"whole")
    full = pytest.raises(UserError, match=r"54302 FOLDER_NOT_WRITABLE[\s\S]*No space left")
    with full, named_os_errors(path), open_atomically(path) as file:
        file.write(b"half")
        raise OSError(28, "No space left on device")
    assert [file.name for file in tmp_path.iterdir()] == ["file"]
    assert path.read_bytes() == b"whole"


def test_r_of_two_genes_has_no_direction(tmp_path):
    """r is the same to the last bit, whichever gene is first and whichever way it is computed."""
    rng = np.random.default_rng(11)
    common = rng.standard_normal(60)
    values = common + 0.02 * rng.standard_normal((40, 60))
    values[20:, 0] = np.nan
    study = [values, values[:, :30], values[:, 30:]]
    store = store_of(tmp_path, [study], settings_of(min_samples=4))
    a, b = np.triu_indices(40, 1)
    r, n = store.spearman_of_pairs(a, b)
    for of, others in ((a, b), (b, a)):
        for gene in range(40):
            own = others[of == gene]
            own_r, own_n = store.spearman_of_pairs(np.full(len(own), gene), own)
            np.testing.assert_array_equal(own_r, r[:, :, of == gene])
            np.testing.assert_array_equal(own_n, n[:, :, of == gene])
