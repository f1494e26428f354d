"""`expression-warehouse pairs rank`: what it finds, that it is the same each time, and what it cannot rank."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import yaml
from conftest import WarehouseUnderTest, events, moved
from sklearn.metrics import average_precision_score
from test_features import SCORES
from test_pair_metrics import ingest, small_study, study_of

from expression_warehouse.core.errors import UserError
from expression_warehouse.core.project import read_seed
from expression_warehouse.pairs import settings
from expression_warehouse.pairs.catalog import features
from expression_warehouse.pairs.ranking import rank as rank_module
from expression_warehouse.pairs.ranking.ensemble import (
    percentile_rank,
    rank_svm,
    stacked,
    tail_share,
)
from expression_warehouse.pairs.ranking.feature_scale import CLIP, derived, oriented, robust_z
from expression_warehouse.pairs.ranking.rank import compute_scores, find_positives, rank_weights
from expression_warehouse.pairs.ranking.slice_pairs import BuiltSlice, SlicePairs, by_genes

SLICE = BuiltSlice("SEPSIS", "RNA-SEQ", "HOMO_SAPIENS", "0" * 64)
WEIGHTS = {"evidence": 0.4, "unsupervised": 0.3, "consistency": 0.2, "power": 0.1}
MS4A4A = "ENSG00000110079"
WATCHED = {"CD86": ["ENSG00000114013", "CD86"], "MS4A4A": ["ENSG00000110079", "MS4A4A"]}
METRICS = [f.feature_name for f in features() if f.source_model == "fact_gene_pair_metrics"]


def simulated(
    gene_count: int = 40, planted: int = 8, seed: int = 1
) -> tuple[SlicePairs, np.ndarray]:
    """All pairs of genes, MS4A4A first, and which of them are planted: their contrast is 6 standard
    errors from 0, of either sign."""
    dice = np.random.default_rng(seed)
    genes = [MS4A4A, *(f"ENSG{i}" for i in range(1, gene_count))]
    a, b = np.triu_indices(gene_count, 1)
    is_planted = np.zeros(len(a), dtype=bool)
    is_planted[0] = True
    is_planted[dice.choice(len(a), planted - 1, replace=False)] = True
    z = dice.normal(size=len(a)) + 6 * is_planted * dice.choice([-1, 1], len(a))
    columns = {name: dice.random(len(a)) for name in METRICS}
    columns |= {
        "combined_effect_size": z / 5,
        "dz_ss_mean": z / 5,
        "dz_ss_z": z,
        "p_ss": np.exp(-z * z / 2),
        "power_score": 1 - np.exp(-z * z / 8),
    }
    q_star = np.minimum(1, 50 * np.exp(-z * z / 2))
    deciding = {"q_star": q_star, "effect": z / 5, "i2": columns["dz_ss_i2"]}
    ids = np.array(genes)
    keys = {"pair_key": np.arange(len(a)), "gene_a_key": a, "gene_b_key": b}
    keys |= {"gene_a_id": ids[a], "gene_b_id": ids[b]}
    return SlicePairs(pa.table(keys), columns, deciding), is_planted


def ranking(of: SlicePairs, seed: int = 1):
    is_positive, _ = find_positives(of, SLICE, WATCHED)
    return compute_scores(of, is_positive, seed, WEIGHTS, SLICE)


def test_planted_pairs_come_first_whatever_their_sign():
    of, is_planted = simulated()
    found = ranking(of)
    assert average_precision_score(is_planted, found.unsupervised_score) > 0.9
    assert average_precision_score(is_planted, found.new_rank_score) > 0.9
    for score in (found.unsupervised_score, *found.models.values()):
        assert (score.min(), score.max()) == (0, 1)
    assert 0 <= found.new_rank_score.min() < found.new_rank_score.max() <= 1


def test_the_same_seed_gives_the_same_bits_and_another_does_not():
    of, _ = simulated()
    first, again, other = ranking(of), ranking(of), ranking(of, seed=2)
    assert first.unsupervised_score.tobytes() == again.unsupervised_score.tobytes()
    assert first.new_rank_score.tobytes() == again.new_rank_score.tobytes()
    assert first.unsupervised_score.tobytes() != other.unsupervised_score.tobytes()


def test_new_rank_score_is_the_weighted_mean_of_its_shares():
    of, _ = simulated()
    found = ranking(of)
    evidence = np.minimum(-np.log10(of.deciding["q_star"]) / 10, 1)
    tail = 1 - found.unsupervised_score * 780 / 781
    shares = [evidence, -np.log10(tail) / np.log10(781)]
    shares += [of.features["consistency_score"], of.features["power_score"]]
    expected = np.average(shares, axis=0, weights=list(WEIGHTS.values()))
    assert found.new_rank_score == pytest.approx(expected, rel=1e-12)


def test_positives_are_the_strongest_pairs_of_watched_genes(monkeypatch):
    of, _ = simulated()
    monkeypatch.setattr(rank_module, "POSITIVE_COUNT", 3)
    watched = np.flatnonzero(of.holding([MS4A4A]))
    strongest = watched[np.argsort(of.deciding["q_star"][watched], kind="stable")[:3]]
    assert sorted(ranking(of).positives) == sorted(strongest)
    _, missing = find_positives(of, SLICE, WATCHED)
    assert missing == ["CD86"]


def test_pairs_are_in_the_order_of_their_genes():
    """Whatever their keys, and which of two genes is the first."""
    genes = {"gene_a_id": ["C", "B", "b", "C"], "gene_b_id": ["b", "A", "A", "A"]}
    ordered = by_genes(pa.table({**genes, "pair_key": [1, 2, 3, 4]}))
    assert ordered["pair_key"].to_pylist() == [2, 4, 3, 1]


def test_robust_z_by_hand():
    columns = {
        "spread": np.array([1.0, 2, 3, 4, 1000]),
        "mostly_one": np.array([0.0, 0, 0, 0, 5]),
        "gaps": np.array([1.0, np.nan, 3, 4, 2]),
        "constant": np.full(5, 7.0),
        "constant_but_for_rounding": np.array([1, 1 + 3e-16, 1, 1 - 2e-16, 1]),
        "empty": np.full(5, np.nan),
    }
    names, z = robust_z(columns)
    assert names == ["spread", "mostly_one", "gaps"]
    assert z[:4, 0] == pytest.approx(np.array([-2, -1, 0, 1]) / 1.4826)
    assert z[4, 0] == CLIP
    assert z[4, 1] == pytest.approx(5 / 1.2533)
    assert z[1, 2] == 0


def test_features_are_oriented_by_the_catalog():
    found = oriented(
        {
            "p_ss": np.array([1e-3, 0]),
            "dz_ss_mean": np.array([-2.0, 1]),
            "dz_ss_i2": np.array([50.0, 0]),
            "elsewhere": np.array([-1.0, 1]),
        }
    )
    assert {name: list(values) for name, values in found.items()} == {
        "p_ss": [pytest.approx(3), pytest.approx(300)],
        "dz_ss_mean": [2, 1],
        "dz_ss_i2": [50, 0],
        "elsewhere": [-1, 1],
    }


def test_derived_features_by_hand():
    found = derived(
        {
            "q_star": np.array([0.01, 0]),
            "effect": np.array([-0.5, 0.25]),
            "i2": np.array([30.0, 100]),
        }
    )
    assert found["neglog_q_star"] == pytest.approx([2, 300])
    assert list(found["abs_effect"]) == [0.5, 0.25]
    assert list(found["neg_i2_star"]) == [-30, -100]


def test_the_stack_is_led_by_what_is_extreme_to_one_model():
    assert list(percentile_rank(np.array([3.0, 1, 2, 2]))) == [1, 0, 0.5, 0.5]
    count = 101
    middle = np.full(count, 0.0)
    one, other = np.arange(count, dtype=float), middle.copy()
    assert np.argmax(stacked({"one": one, "other": other})) == count - 1
    # First of one and last of the other goes before 0.7 of both.
    one = np.r_[np.arange(100.0), 200]
    other = np.r_[np.arange(100.0), -1]
    score = stacked({"one": one, "other": other})
    assert score[-1] > score[70]


def test_the_tail_tells_the_first_pairs_apart():
    rank = percentile_rank(np.arange(9999.0))
    share = tail_share(rank)
    assert share[-1] == pytest.approx(1)
    assert share[-100] == pytest.approx(0.5, abs=2e-3)
    assert share[0] == 0


def test_the_rank_svm_points_from_negatives_to_positives():
    dice = np.random.default_rng(3)
    z = dice.normal(size=(500, 4))
    z[:50, 2] += 3
    score = rank_svm(z, np.arange(20), np.arange(100, 500), seed=1)
    assert score[20:50].mean() > score[50:].mean() + 2 * score[50:].std()


@pytest.mark.parametrize(
    ("change", "name", "found"),
    [
        (
            lambda of: (of.keys.slice(0, 49), of.features, of.deciding),
            "RANK_TOO_FEW_PAIRS",
            "49 pairs",
        ),
        (
            lambda of: (
                of.keys.set_column(3, "gene_a_id", of.keys["gene_b_id"]),
                of.features,
                of.deciding,
            ),
            "RANK_WITHOUT_POSITIVES",
            "0 of 780 pairs hold a gene of SEPSIS in seed watch_list (2 genes)",
        ),
        (
            lambda of: (
                of.keys,
                {name: np.ones(len(of)) for name in of.features},
                {name: np.ones(len(of)) for name in of.deciding},
            ),
            "RANK_FEATURES_CONSTANT",
            "same features",
        ),
    ],
)
def test_what_cannot_be_ranked(change, name, found):
    of, _ = simulated()
    with pytest.raises(UserError) as error:
        ranking(SlicePairs(*change(of)))
    assert (error.value.name, found in error.value.found) == (name, True)


@pytest.mark.parametrize(
    "weights",
    [
        None,
        "evidence",
        {"evidence": 1},
        WEIGHTS | {"power": -1},
        WEIGHTS | {"power": "1"},
        dict.fromkeys(WEIGHTS, 0),
        WEIGHTS | {"agent": 1},
    ],
)
def test_weights_that_are_none(tmp_path, monkeypatch, weights):
    project(tmp_path, monkeypatch, {} if weights is None else {"rank_weights": weights})
    with pytest.raises(UserError, match="54030 CONFIG_INVALID"):
        rank_weights(settings.resolve_vars())


def test_weights_sum_to_one(tmp_path, monkeypatch):
    project(tmp_path, monkeypatch, {"rank_weights": {name: 2 * w for name, w in WEIGHTS.items()}})
    assert rank_weights(settings.resolve_vars()) == pytest.approx(WEIGHTS)


def test_vars_are_resolved_as_by_dbt(tmp_path, monkeypatch):
    """--vars before those scoped to the project, before those of all projects."""
    scoped = {"k_min": 4, "spearman_se": "fieller"}
    general = {"k_min": 3, "min_cohort_samples": 8, "detection_share_min": 0.2}
    project(tmp_path, monkeypatch, {**general, "warehouse": scoped})
    assert settings.settings_of(settings.resolve_vars()) == settings.Settings(4, 8, "fieller", 0.2)
    given = settings.settings_of(settings.resolve_vars("{k_min: 2, min_cohort_samples: 3}"))
    assert given == settings.Settings(2, 4, "fieller", 0.2)
    for text in ("k_min", "[1]", "{k_min: ", "{kmin: 2}", "{2: 2}"):
        with pytest.raises(UserError, match=r"54030 CONFIG_INVALID[\s\S]*--vars"):
            settings.resolve_vars(text)
    for text in ("{spearman_se: best}", "{k_min: few}", "{detection_share_min: most}"):
        with pytest.raises(UserError, match="54030 CONFIG_INVALID"):
            settings.settings_of(settings.resolve_vars(text))


def project(folder: Path, monkeypatch: pytest.MonkeyPatch, variables: Mapping) -> None:
    (folder / "dbt_project.yml").write_text(yaml.dump({"name": "warehouse", "vars": variables}))
    monkeypatch.setattr(settings, "project_dir", lambda: folder)


COHORTS = {"SEPSIS": 9, "SEPTIC_SHOCK": 9}


@pytest.fixture(scope="module")
def two_slices(tmp_path_factory) -> WarehouseUnderTest:
    """RNA-SEQ with 66 pairs, MS4A4A's among them; MICROARRAY with 15; three studies of either."""
    folder = tmp_path_factory.mktemp("two_slices")
    warehouse = WarehouseUnderTest(folder)
    genes = [MS4A4A, *(f"ENSG{i}" for i in range(1, 12))]
    large = [
        study_of(f"GSE7{i}", COHORTS, genes, seed=70 + i, technology="RNA-SEQ") for i in range(3)
    ]
    ingest(warehouse, folder, [*large, *map(small_study, (1, 2, 3))])
    warehouse.build()
    return warehouse


def test_a_slice_that_cannot_be_ranked_holds_up_no_other(two_slices):
    result = two_slices.pairs("rank")
    assert result.exit_code == 0, result.output
    (skipped,) = events(result, "slice_skipped")
    assert skipped["error_code"] == 54110
    assert "SEPSIS MICROARRAY HOMO_SAPIENS has 15 pairs" in skipped["error"]
    (told,) = events(result, "positives_missing")
    names = {row["gene_symbol"] for row in read_seed("watch_list")}
    assert set(told["genes"].split(", ")) == names - {"MS4A4A"}
    assert (told["missing_count"], told["watched_count"]) == (len(names) - 1, len(names))
    (done,) = events(result, "pairs_ranked")
    assert (done["slice"], done["pair_count"]) == ("SEPSIS RNA-SEQ HOMO_SAPIENS", 66)
    assert two_slices.query(
        "select validation_code, severity from meta.vw_finding where validation_code like 'RANK%'"
    ) == [("RANK_TOO_FEW_PAIRS", "WARNING")]
    assert two_slices.query(
        "select status from meta.meta_etl_process_log where step = 'rank' order by started_at desc"
        " limit 1"
    ) == [("SUCCESS",)]

    two_slices.build(*SCORES)
    scored = (
        "select technology, count(new_rank_score), count(unsupervised_score), count(rank_score),"
        " count(*) from fact.fact_gene_pair_metrics group by all order by all"
    )
    assert two_slices.query(scored) == [("MICROARRAY", 0, 0, 15, 15), ("RNA-SEQ", 66, 66, 66, 66)]
    runs = two_slices.query(
        "select kind, disease_label, technology, organism, seed, pairs_tested, gene_count"
        " from meta.meta_feature_run"
    )
    assert runs == [("RANK", "SEPSIS", "RNA-SEQ", "HOMO_SAPIENS", 1, 66, 12)]
    named = two_slices.query(
        "select count(*) from fact.fact_gene_pair_metrics m"
        " inner join meta.meta_feature_run r on m.rank_run_id = r.feature_run_id"
    )
    assert named == [(66,)]


def test_a_slice_that_the_next_build_changes_is_warned_of(two_slices, tmp_path):
    """Its scores would be dropped by that build."""
    warehouse = moved(two_slices, tmp_path)
    only = ("--technology", "RNA-SEQ")
    assert events(warehouse.pairs("rank", *only), "slice_not_built") == []
    screened = warehouse.pairs("screen", "--disease", "SEPSIS", *only)
    assert screened.exit_code == 0, screened.output
    result = warehouse.pairs("rank")
    (warning,) = events(result, "slice_not_built")
    assert (warning["slice"], warning["level"]) == ("SEPSIS RNA-SEQ HOMO_SAPIENS", "warning")
    result = warehouse.pairs("rank", *only, "--log-format", "text")
    assert "run dbt build first" in result.stderr


def test_it_is_an_error_if_no_slice_can_be_ranked(two_slices):
    result = two_slices.pairs("rank", "--technology", "MICROARRAY")
    assert result.exit_code == 1
    assert events(result, "slice_skipped") == []
    (error,) = events(result, "failed")
    assert (error["error_code"], error["error_name"]) == (54110, "RANK_TOO_FEW_PAIRS")
    assert "SEPSIS MICROARRAY HOMO_SAPIENS has 15 pairs" in error["found"]


def test_a_slice_that_fails_is_an_error_and_holds_up_no_other(two_slices, monkeypatch):
    rank_slice = rank_module._rank_slice

    def fail_on_microarray(slice_, *rest):
        if slice_.technology == "MICROARRAY":
            raise UserError("LOAD_WRITE_FAILED", "disk full")
        return rank_slice(slice_, *rest)

    monkeypatch.setattr(rank_module, "_rank_slice", fail_on_microarray)
    result = two_slices.pairs("rank")
    assert result.exit_code == 1
    assert [error["found"] for error in events(result, "failed")] == ["disk full"]
    assert len(events(result, "pairs_ranked")) == 1


def test_a_later_ranking_takes_the_place_of_an_earlier_one(two_slices):
    def staged() -> list[tuple]:
        scores = "select * from staging.pair_scores order by all"
        values = "select * from staging.feature_values order by all"
        return [two_slices.query(scores), two_slices.query(values)]

    only = ("rank", "--technology", "RNA-SEQ")
    assert two_slices.pairs(*only).exit_code == 0
    first = staged()
    assert two_slices.pairs(*only).exit_code == 0
    assert staged() == first
    assert two_slices.pairs(*only, "--seed", 2).exit_code == 0
    second = staged()
    assert [len(rows) for rows in second] == [len(rows) for rows in first] == [66, 198]
    assert not set(second[0]) & set(first[0])
    two_slices.build(*SCORES)
    ((run,),) = two_slices.query(
        "select distinct rank_run_id from fact.fact_gene_pair_metrics where rank_run_id is not null"
    )
    assert {run} == {row[0] for row in second[0]}
    values = two_slices.query(
        "select distinct feature_run_id from fact.fact_feature_values where feature_run_id is not null"
    )
    assert values == [(run,)]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--disease", "GOUT"), "one of"),
        (("--disease", "SEPSIS' or '1'='1"), "one of"),
        (
            ("--technology", "OTHER"),
            "one of SEPSIS MICROARRAY HOMO_SAPIENS, SEPSIS RNA-SEQ HOMO_SAPIENS",
        ),
        (("--organism", "mus musculus"), "one of SEPSIS MICROARRAY HOMO_SAPIENS"),
    ],
)
def test_a_slice_that_is_not_there(two_slices, options, expected):
    result = two_slices.pairs("rank", *options)
    assert result.exit_code == 1
    (error,) = events(result, "failed")
    assert error["error_code"] == 54030
    assert expected in error["expected"]


def test_a_warehouse_that_was_never_built(warehouse):
    result = warehouse.pairs("rank")
    assert result.exit_code == 1
    assert "LOAD_WAREHOUSE_NOT_BUILT" in result.stdout
