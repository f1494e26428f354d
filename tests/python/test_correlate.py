"""`expression-warehouse pairs correlate` against scipy on all pairs."""

import json
import re
from itertools import combinations

import numpy as np
import pyarrow.parquet as pq
import pytest
from conftest import WarehouseUnderTest, events
from scipy import stats
from test_pair_metrics import build, ingest, study_of
from test_screen import refused

COHORTS = {"CONTROL": 9, "SEPSIS": 14, "SEPTIC_SHOCK": 12, "UNKNOWN": 2, "NO_SEPSIS": 5}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A study with missing values, a constant gene and two equal genes."""
    folder = tmp_path_factory.mktemp("correlated")
    warehouse = WarehouseUnderTest(folder)
    study, matrix = study_of("GSE1", COHORTS, [f"ENSG4{i:03d}" for i in range(60)], seed=1)
    matrix.values[3, matrix.members["sepsis"]] = 5.0
    matrix.values[5] = matrix.values[4]
    dice = np.random.default_rng(2)
    matrix.values[10:14] = np.where(dice.random((4, 42)) < 0.15, np.nan, matrix.values[10:14])
    ingest(warehouse, folder, [(study, matrix)])
    build(warehouse, gene_filter_top=2)
    return warehouse, matrix


def expected_of(matrix, cohort: str) -> dict[tuple[str, str], tuple[float, float, float]]:
    """(gene, gene) → r, p, q of all pairs that have an r; only these are tested."""
    found = {}
    for a, b in combinations(range(len(matrix.genes)), 2):
        x, y = matrix.values[a, matrix.members[cohort]], matrix.values[b, matrix.members[cohort]]
        both = ~(np.isnan(x) | np.isnan(y))
        if both.sum() >= 8 and np.ptp(x[both]) > 0 and np.ptp(y[both]) > 0:
            found[matrix.genes[a], matrix.genes[b]] = stats.spearmanr(x[both], y[both])
    q = stats.false_discovery_control([one.pvalue for one in found.values()])
    return {
        pair: (one.statistic, one.pvalue, own)
        for (pair, one), own in zip(found.items(), q, strict=True)
    }


def correlate(warehouse: WarehouseUnderTest, *arguments: object, study="GSE1", cohort="SEPSIS"):
    return warehouse.pairs("correlate", "--study", study, "--cohort", cohort, *arguments)


@pytest.mark.parametrize(("cohort", "fdr"), [("SEPSIS", 0.05), ("septic_Shock", 1)])
def test_file(built, tmp_path, cohort, fdr):
    warehouse, matrix = built
    path = tmp_path / "found.parquet"
    result = correlate(warehouse, "--fdr", fdr, "--output", path, cohort=cohort)
    assert result.exit_code == 0, result.output
    rows = pq.read_table(path).to_pylist()
    every = expected_of(matrix, cohort.lower())
    wanted = {pair: values for pair, values in every.items() if values[2] <= fdr}
    assert {(row["gene_a_id"], row["gene_b_id"]) for row in rows} == set(wanted)
    assert len(rows) == len(wanted) == events(result, "correlated")[0]["found_count"]
    for row in rows:
        r, p, q = wanted[row["gene_a_id"], row["gene_b_id"]]
        assert (row["r"], row["p"]) == pytest.approx((r, p), rel=1e-7, abs=1e-15)
        assert q * (1 - 1e-9) <= row["q"] <= q * 1.001
    assert [row["p"] for row in rows] == sorted(row["p"] for row in rows)
    assert len({row["n"] for row in rows}) > 1


def test_the_file_names_its_run(built, tmp_path):
    warehouse, _ = built
    path = tmp_path / "found.parquet"
    assert correlate(warehouse, "--output", path).exit_code == 0
    run = pq.read_schema(path).metadata[b"feature_run_id"].decode()
    ((kind, parameters, genes, pairs),) = warehouse.query(
        "select kind, parameters_json, gene_count, pairs_tested from meta.meta_feature_run"
        f" where feature_run_id = '{run}'"
    )
    assert (kind, genes, pairs) == ("CORRELATE", 60, 59 * 58 // 2), "one gene does not vary"
    assert json.loads(parameters)["cohort"] == "SEPSIS"
    ((command, status),) = warehouse.query(
        "select command, status from meta.vw_run where command = 'correlate' order by started_at desc limit 1"
    )
    assert (command, status) == ("correlate", "SUCCESS")


def test_the_genes_that_vary_most(built, tmp_path):
    warehouse, matrix = built
    path = tmp_path / "top.parquet"
    options = ("--top-genes", 10, "--method", "mad", "--fdr", 1, "--output", path)
    assert correlate(warehouse, *options).exit_code == 0
    table = pq.read_table(path)
    found = {*table["gene_a_id"].to_pylist(), *table["gene_b_id"].to_pylist()}
    spread = stats.median_abs_deviation(matrix.values[:, matrix.known], axis=1, nan_policy="omit")
    assert found <= {matrix.genes[i] for i in np.argsort(-spread, kind="stable")[:10]}
    assert table.num_rows > 30


def test_vars_of_the_command_line(built, tmp_path):
    """As those of dbt: a cohort of five samples takes part if the var says so."""
    warehouse, _ = built
    options = ("--vars", "{min_cohort_samples: 5}", "--fdr", 1, "--output", tmp_path / "x.parquet")
    assert correlate(warehouse, *options, cohort="NO_SEPSIS").exit_code == 0
    assert max(pq.read_table(tmp_path / "x.parquet")["n"].to_pylist()) == 5
    refused(correlate(warehouse, *options[2:], "--vars", "[5]"), "CONFIG_INVALID")


def test_mistakes_are_named(built, tmp_path):
    warehouse, _ = built
    output = ("--output", tmp_path / "x.parquet")
    refused(correlate(warehouse, *output, study="GSE9"), "STUDY_NOT_FOUND")
    error = refused(correlate(warehouse, *output, cohort="NO_SEPSIS"), "PAIRS_NOTHING_TO_TEST")
    assert "5 samples" in error["found"]
    assert "NO_SEPSIS" not in error["action"], "it was just refused"
    assert re.search(r"\bSEPSIS \(\d+\)", error["action"])
    error = refused(correlate(warehouse, *output, cohort="NOPE"), "PAIRS_NOTHING_TO_TEST")
    assert "0 samples of NOPE" in error["found"]
    few = ("--vars", "{min_cohort_samples: 1000}")
    error = refused(correlate(warehouse, *output, *few), "PAIRS_NOTHING_TO_TEST")
    assert "no cohort of this one has enough samples: " in error["action"]
    nowhere = tmp_path / "nowhere" / "x.parquet"
    refused(correlate(warehouse, "--output", nowhere), "FOLDER_NOT_WRITABLE")
    refused(correlate(warehouse, *output, "--memory", "100MB"), "PAIRS_MEMORY_EXCEEDED")
    wrong = ((), (*output, "--fdr", 0), (*output, "--method", "iqr"), ("--output", "x.csv"))
    for options in wrong:
        assert correlate(warehouse, *options).exit_code == 2
