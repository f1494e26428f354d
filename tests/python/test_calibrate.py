"""`expression-warehouse pairs calibrate`: its draws and counts against plain loops, the same result
after any kill, and what the command leaves in the warehouse."""

import itertools
from dataclasses import replace

import numpy as np
import oracle
import pyarrow.parquet as pq
import pytest
from conftest import WarehouseUnderTest, events, moved
from scipy import stats
from test_pair_metrics import WATCHED, build, ingest, study_of
from test_screen import refused, screen

from expression_warehouse.pairs import checkpoint
from expression_warehouse.pairs.calibration.calibrate import permutation_table
from expression_warehouse.pairs.calibration.measure import measure, planted_null, total_draws
from expression_warehouse.pairs.calibration.nulls import EFFECTS, SliceData, plant, sign_patterns
from expression_warehouse.pairs.calibration.outcome import FIELDS, find, rows_of, summarise
from expression_warehouse.pairs.contrasts import Contrast, Design
from expression_warehouse.pairs.expression import StudyMatrix
from expression_warehouse.pairs.settings import Settings

DESIGN = Design(
    (
        Contrast("ss", ("SEPTIC_SHOCK",), ("SEPSIS",)),
        Contrast("soth", ("SEPTIC_SHOCK",), ("SEPSIS", "CONTROL")),
    )
)
SIZES = (("SEPTIC_SHOCK", 12), ("SEPSIS", 11), ("CONTROL", 9))


def data_of(genes: int = 12, studies: int = 4, seed: int = 1) -> SliceData:
    dice = np.random.default_rng(seed)
    labels = np.repeat([label for label, _ in SIZES], [n for _, n in SIZES])
    matrices = tuple(
        StudyMatrix(dice.normal(size=(genes, len(labels))), labels, None, 0.05)
        for _ in range(studies)
    )
    a, b = np.triu_indices(genes, 1)
    return SliceData(matrices, a, b, DESIGN, Settings(3, 8, "fisher", 0.2))


def no_progress(_: int) -> None:
    pass


@pytest.mark.parametrize(("studies", "draws", "expected"), [(3, 50, 3), (5, 50, 15), (9, 50, 50)])
def test_sign_patterns(studies, draws, expected):
    patterns = sign_patterns(studies, draws, np.random.default_rng(1))
    assert patterns.shape == (expected, studies)
    assert set(np.unique(patterns)) == {-1.0, 1.0}
    assert len({tuple(pattern * pattern[0]) for pattern in patterns}) == expected
    assert not any(abs(pattern.sum()) == studies for pattern in patterns), "no change"
    if expected < draws:
        every = {
            pattern
            for pattern in itertools.product((1.0, -1.0), repeat=studies)
            if pattern[0] == 1.0 and -1.0 in pattern
        }
        assert {tuple(pattern) for pattern in patterns} == every


def pair_p(cohorts: list[dict[str, np.ndarray]], a: int, b: int) -> float | None:
    """p of a pair over its contrasts, one study after the other."""
    p = []
    for contrast in DESIGN.contrasts:
        estimates = []
        for study in cohorts:
            found = {}
            for label, values in study.items():
                if r_n := oracle.spearman(values[a], values[b]):
                    found[label] = (*oracle.fisher(*r_n, "fisher"), r_n[1])
            if not found:
                continue
            case, references = (
                oracle.stratified([found[label] for label in side])
                for side in (contrast.case, contrast.references)
            )
            estimates.append((case[0] - references[0], np.hypot(case[1], references[1]), 0))
        p.append(oracle.pooled_of(estimates).hartung_knapp()["hk_p"])
    return min(1.0, len(p) * min(p))


def test_permutation_p_is_that_of_a_plain_loop(tmp_path):
    """276 pairs: most are pooled as one tile, those of genes with gaps one by one."""
    data, draws, seed = data_of(genes=24), 12, 5
    data.matrices[0].values[3, 7] = np.nan
    data.matrices[1].values[5] = np.nan
    progress = measure(data, draws, seed, tmp_path / "progress.npz", no_progress)

    def by_cohort(labels: list[np.ndarray]) -> list[dict[str, np.ndarray]]:
        return [
            {label: matrix.values[:, own == label] for label, _ in SIZES}
            for matrix, own in zip(data.matrices, labels, strict=True)
        ]

    def all_p(labels: list[np.ndarray]) -> np.ndarray:
        cohorts = by_cohort(labels)
        return np.array([pair_p(cohorts, a, b) for a, b in zip(data.a, data.b, strict=True)])

    observed = all_p([matrix.labels for matrix in data.matrices])
    drawn = []
    for number in range(draws):
        dice = np.random.default_rng([seed, 0, number])
        drawn.append(all_p([dice.permutation(matrix.labels) for matrix in data.matrices]))
    drawn = np.array(drawn)
    table = permutation_table(progress, np.array([data.a, data.b]))
    np.testing.assert_allclose(table["p"].to_numpy(), observed, rtol=1e-9)
    permutation = (1 + (drawn <= observed).sum(axis=0)) / (1 + draws)
    np.testing.assert_array_equal(table["permutation_p"].to_numpy(), permutation)
    familywise = (1 + (drawn.min(axis=1)[:, None] <= observed).sum(axis=0)) / (1 + draws)
    np.testing.assert_array_equal(table["familywise_p"].to_numpy(), familywise)
    # The counts of the draws are those of the same p.
    labels = np.array(progress.outcomes["LABELS"])[:, rows_of(DESIGN).index("pair")]
    np.testing.assert_array_equal(labels[:, FIELDS.index("tested")], len(data.a))
    np.testing.assert_array_equal(labels[:, FIELDS.index("below_05")], (drawn < 0.05).sum(axis=1))


def test_planted_pairs_have_the_effect():
    data = data_of(genes=30)
    draw, is_planted = plant(data.draw(data.matrices), len(data.a), 0.6, np.random.default_rng(2))
    assert is_planted.sum() == len(data.a) // 100
    assert is_planted.any(axis=1).all(), "each contrast has some"
    before, _ = data.draw(data.matrices).correlate(data, np.arange(len(data.a)))
    after, _ = draw.correlate(data, np.arange(len(data.a)))
    difference = np.arctanh(after) - np.arctanh(before)
    shock = DESIGN.cohorts.index("SEPTIC_SHOCK")
    planted = is_planted.any(axis=0)
    np.testing.assert_allclose(np.abs(difference[:, shock, planted]), 0.6)
    direction = np.sign(difference[:, shock, planted])
    assert (direction == direction[0]).all(), "the same in all studies"
    difference[:, shock, planted] = 0
    np.testing.assert_allclose(difference, 0, atol=1e-12)


@pytest.mark.parametrize("share", [0, 0.01, 0.3])
def test_found_as_by_scipy(share):
    dice = np.random.default_rng(3)
    for _ in range(50):
        p = np.where(dice.random(500) < share, dice.random(500) / 2000, dice.random(500))
        p[dice.random(500) < 0.1] = np.nan
        p[:20] = p[20]  # ties
        expected = np.zeros(500, bool)
        has_p = ~np.isnan(p)
        expected[has_p] = stats.false_discovery_control(p[has_p]) <= 0.05
        np.testing.assert_array_equal(find(p), expected)


def test_found_pairs_with_a_planted_contrast_are_not_false():
    p = np.full((len(DESIGN.tests), 4), 0.9)
    p[:, :2] = 1e-9
    is_planted = np.array([[True, False, False, False], [False, False, True, False]])
    counts = dict(zip(rows_of(DESIGN), summarise(DESIGN, p, is_planted), strict=True))
    assert dict(zip(FIELDS, counts["ss_z"], strict=True)) == {
        "tested": 4, "below_05": 2, "below_001": 2, "found": 1, "planted": 1, "planted_found": 1,
    }  # fmt: skip
    assert list(counts["soth_hk"][3:]) == [1, 1, 0]
    assert list(counts["pair"][3:]) == [1, 2, 1]
    assert list(counts["view_spec"]) == [4, -1, -1, 1, 2, 1]


def test_the_same_bits_after_kills(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "CHECKPOINT_S", -1.0)
    data, draws = data_of(), 10
    whole = measure(data, draws, 1, tmp_path / "whole.npz", no_progress)

    class KilledError(BaseException):
        pass

    path = tmp_path / "killed.npz"
    for at in (2, 7, 11):
        told = []

        def advance(count: int, told=told, at=at) -> None:
            told.append(count)
            if sum(told) > at:
                raise KilledError

        with pytest.raises(KilledError):
            measure(data, draws, 1, path, advance)
    told = []
    resumed = measure(data, draws, 1, path, told.append)
    assert sum(told) == total_draws(data, draws) == 2 * draws + 7
    assert told[0] == draws, "what was done before is not done again"
    assert (tmp_path / "whole.npz").read_bytes() == path.read_bytes()
    assert list(resumed.outcomes) == list(whole.outcomes)
    assert set(whole.outcomes) == {"LABELS", "GENES", "SIGNS", *map(planted_null, EFFECTS)}
    other = measure(data, draws, 2, tmp_path / "other.npz", no_progress)
    assert (other.at_least != whole.at_least).any()
    path.write_bytes(b"half a file")
    assert measure(data, draws, 1, path, no_progress).least_p == whole.least_p


def test_draws_of_another_floor_are_not_taken_up(tmp_path):
    """The floor of a unit decides which genes are expressed."""
    data, path, told = data_of(), tmp_path / "progress.npz", []
    measure(data, 2, 1, path, no_progress)
    raised = tuple(replace(matrix, floor=0.0) for matrix in data.matrices)
    measure(replace(data, matrices=raised), 2, 1, path, told.append)
    assert told[0] == 0


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> WarehouseUnderTest:
    """Three studies of one technology, a fourth of another."""
    folder = tmp_path_factory.mktemp("calibrated")
    warehouse = WarehouseUnderTest(folder)
    genes = [*WATCHED, *(f"ENSG3{i:03d}" for i in range(10))]
    cohorts = {"CONTROL": 9, "SEPSIS": 10, "SEPTIC_SHOCK": 9, "UNKNOWN": 2}
    studies = [study_of(f"GSE{number}", cohorts, genes, seed=number) for number in (1, 2, 3)]
    studies.append(study_of("SRP4", {"SEPSIS": 9, "CONTROL": 8}, genes, 4, technology="RNA-SEQ"))
    ingest(warehouse, folder, studies)
    build(warehouse, gene_filter_top=10)
    return warehouse


def calibrate(warehouse: WarehouseUnderTest, *arguments: object, disease: str = "SEPSIS"):
    work = warehouse.path.parent / "work"
    return warehouse.pairs(
        "calibrate", "--disease", disease, "--draws", 20, "--work", work, *arguments
    )


def test_command(built, tmp_path):
    warehouse = moved(built, tmp_path)
    for output in ("first", "second"):
        result = calibrate(warehouse, "--output", tmp_path / output)
        assert result.exit_code == 0, result.output
    (skipped,) = events(result, "slice_skipped")
    assert "SEPSIS RNA-SEQ HOMO_SAPIENS: no contrast has 3 studies" in skipped["error"]
    assert {event["null_hypothesis"] for event in events(result, "calibrated")} == {
        "LABELS", "GENES",
    }  # fmt: skip
    assert len(events(result, "calibrated_level")) == 1
    assert [event["effect"] for event in events(result, "calibrated_power")] == list(EFFECTS)
    files = sorted(path.name for path in (tmp_path / "first").iterdir())
    assert files == [
        f"{kind}-SEPSIS-MICROARRAY-HOMO_SAPIENS.parquet"
        for kind in ("calibration", "permutation_p")
    ]
    for name in files:
        one, other = ((tmp_path / output / name).read_bytes() for output in ("first", "second"))
        assert one == other
    rows = warehouse.query(
        "select null_hypothesis, planted_effect, test, draws, draws_found, share_p05, power,"
        " is_current from meta.meta_calibration order by all"
    )
    table = pq.read_table(tmp_path / "first" / files[0])
    assert len(rows) == table.num_rows == 6 * 15
    assert {row[7] for row in rows} == {True}
    assert {(row[0], row[1]): row[3] for row in rows} == {
        ("GENES", None): 20, ("LABELS", None): 20, ("SIGNS", None): 3,
        **{("PLANTED", effect): 20 for effect in EFFECTS},
    }  # fmt: skip
    for null, effect, test, draws, found, share, power, _ in rows:
        assert found is None if null == "SIGNS" else 0 <= found <= draws
        assert (share is None) == test.startswith("view_")
        assert (power is None) == (effect is None), (null, test)
    ((kind, seed, pairs),) = warehouse.query(
        "select kind, seed, pairs_tested from meta.meta_feature_run"
    )
    candidates = "select count(*) from analytics.tbl_gene_pairs_materialized"
    ((expected,),) = warehouse.query(f"{candidates} where technology = 'MICROARRAY'")
    assert (kind, seed, pairs) == ("CALIBRATE", 1, expected)
    assert not list((tmp_path / "work").iterdir()), "nothing is left of it"


def test_no_permutation_p_after_a_screen(built, tmp_path):
    warehouse = moved(built, tmp_path)
    output = tmp_path / "output"
    assert calibrate(warehouse, "--output", output).exit_code == 0
    assert screen(warehouse, "--keep", 20, "--technology", "MICROARRAY").exit_code == 0
    build(warehouse, gene_filter_top=10)
    result = calibrate(warehouse, "--technology", "MICROARRAY", "--output", output)
    assert result.exit_code == 0, result.output
    (told,) = events(result, "permutation_p_left_out")
    assert told["error_code"] == 54404
    assert "SEPSIS MICROARRAY HOMO_SAPIENS: a screen chose the candidate pairs" in told["error"]
    (file,) = output.iterdir()
    assert file.name.startswith("calibration"), "no file of the pairs of the gene filter is left"


def test_one_contrast(built, tmp_path):
    warehouse = moved(built, tmp_path)
    assert calibrate(warehouse, "--contrast", "sc").exit_code == 0
    tests = warehouse.query("select distinct test from meta.meta_calibration order by all")
    assert [test for (test,) in tests] == ["pair", "sc_hk", "sc_hk_adhoc", "sc_z", "view_hk"]


def test_another_study_makes_it_out_of_date(built, tmp_path):
    warehouse = moved(built, tmp_path)
    assert calibrate(warehouse).exit_code == 0
    cohorts = {"CONTROL": 9, "SEPSIS": 10, "SEPTIC_SHOCK": 9}
    ingest(warehouse, tmp_path, [study_of("GSE9", cohorts, [*WATCHED, "ENSG3001"], seed=9)])
    build(warehouse, gene_filter_top=10)
    current = warehouse.query("select distinct is_current from meta.meta_calibration")
    assert current == [(False,)]


def test_mistakes_are_named(built, tmp_path):
    warehouse = moved(built, tmp_path)
    refused(calibrate(warehouse, disease="SEPSISS"), "CONFIG_INVALID")
    error = refused(calibrate(warehouse, "--contrast", "xy"), "CONFIG_INVALID")
    assert "SEPSIS has no contrast 'xy'" in error["found"]
    refused(calibrate(warehouse, "--technology", "RNA-SEQ"), "PAIRS_NOTHING_TO_TEST")
    refused(calibrate(warehouse, "--technology", "OTHER"), "AGG_MISSING_DISEASE_MAP")
    assert calibrate(warehouse, "--draws", 1).exit_code == 2
    (tmp_path / "file").write_text("")
    refused(calibrate(warehouse, "--output", tmp_path / "file" / "o"), "FOLDER_NOT_WRITABLE")
