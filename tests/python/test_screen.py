"""`expression-warehouse pairs screen`, from the warehouse to fact_gene_pair_metrics: the pairs that it keeps have
there the metrics and false discovery rates that all pairs would have had."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import oracle
import pytest
from conftest import PROJECT, WarehouseUnderTest, events, moved
from test_pair_metrics import (
    WATCH_LIST,
    WATCHED,
    Rows,
    build,
    differences,
    ingest,
    long_table,
    small_study,
    study_of,
    table,
    without,
)
from warehouses import built_demo, staged_panel


def screen(warehouse: WarehouseUnderTest, *arguments: object, disease: str = "SEPSIS"):
    work = warehouse.path.parent / "work"
    return warehouse.pairs("screen", "--disease", disease, "--work", work, *arguments)


def staged(warehouse: WarehouseUnderTest) -> list[tuple]:
    return [
        row
        for table in ("screened_pairs", "screened_contrasts")
        for row in warehouse.query(
            f"select * exclude (feature_run_id) from staging.{table} order by all"
        )
    ]


def refused(result, name: str) -> dict:
    """The error of a command that failed as it should."""
    assert result.exit_code == 1, result.output
    (error,) = events(result, "failed")
    assert error["error_name"] == name
    return error


WIDE_RATES = {
    "q_ss": "p_ss",
    "q_ss_hk": "p_ss_hk",
    "q_soth": "p_soth",
    "q_soth_hk": "p_soth_hk",
    "q_combined": "combined_p_value",
    "q_combined_dependent": "combined_p_dependent",
}
LONG_RATES = {"q": "p", "q_hk": "p_hk", "q_hk_adhoc": "p_hk_adhoc", "q_pair": "p_pair"}


def assert_rates(found: dict, expected: dict[tuple, oracle.Row], p_of: dict[str, str]) -> None:
    """Each q is in [exact, 1.001 exact], at least p and at most 1; all else is as expected."""
    derived = [f"neglog_{rate}" for rate in p_of]
    assert not differences(found, without(expected, [*p_of, *derived]))
    for key, row in expected.items():
        for rate, p in p_of.items():
            q, exact = found[key][rate], row[rate]
            assert (q is None) == (exact is None), (key, rate)
            if q is not None:
                assert exact * (1 - 1e-8) <= q <= 1.001 * exact, (key, rate)
                assert found[key][p] <= q <= 1, (key, rate)


def assert_metrics(warehouse: WarehouseUnderTest, technology: str, every: oracle.Slice) -> Rows:
    """The kept pairs have what they would have if all pairs were built; returns their rows."""
    rows = table(warehouse)["SEPSIS", technology]
    assert_rates(rows, {pair: every.wide[pair] for pair in rows}, WIDE_RATES)
    contrasts = long_table(warehouse, "fact_gene_pair_contrast", technology)
    assert set(contrasts) == {key for key in every.contrasts if key[:2] in rows}
    assert_rates(contrasts, {key: every.contrasts[key] for key in contrasts}, LONG_RATES)
    return rows


def best_of(every: oracle.Slice, keep: int) -> set[tuple[str, str]]:
    """The pairs with the smallest p of each test that has a false discovery rate."""
    tests = [
        {key[:2]: row[p] for key, row in every.contrasts.items() if key[2] == name and row[q]}
        for name in oracle.CONTRASTS
        for q, p in (("q", "p"), ("q_hk", "p_hk"))
    ]
    tests += [
        {key[:2]: row["p_pair"] for key, row in every.contrasts.items() if row["is_deciding"]}
    ]
    tests += [
        {key: row[p] for key, row in every.wide.items() if row[q] is not None}
        for q, p in list(WIDE_RATES.items())[-2:]
    ]
    return {pair for p in tests for pair in sorted(p, key=p.get)[:keep]}


def test_ten_published_studies(copy_of, shared_data, tmp_path):
    """The best 40 pairs by each test of all pairs of 25 genes and the watched ones."""
    warehouse = copy_of(staged_panel, tmp_path)
    build(warehouse, gene_filter_top=2)
    result = screen(warehouse, "--keep", 40, "--top-genes", 25)
    assert result.exit_code == 0, result.output
    said = {event["technology"]: event["contrasts"] for event in events(result, "screened")}
    assert said == {"MICROARRAY": "sc in 5", "RNA-SEQ": "sc in 3"}
    build(warehouse, gene_filter_top=2)
    studies = oracle.read_panel(shared_data / "sepsis_panel")
    assert set(table(warehouse)) == {("SEPSIS", "MICROARRAY"), ("SEPSIS", "RNA-SEQ")}
    for technology in ("MICROARRAY", "RNA-SEQ"):
        own = [study for study in studies if study.technology == technology]
        every = oracle.meta_analysis(own, top=25, watched=WATCH_LIST)
        rows = assert_metrics(warehouse, technology, every)
        assert len(rows) < len(every.wide)
        assert best_of(every, 40) <= set(rows)
        of_watched = {pair for pair in every.wide if set(pair) <= set(WATCH_LIST)}
        assert of_watched <= set(rows)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Three studies of one technology with gaps, a fourth of another, built with two genes."""
    folder = tmp_path_factory.mktemp("screened")
    warehouse = WarehouseUnderTest(folder)
    genes = [*WATCHED, *(f"ENSG3{i:03d}" for i in range(40))]
    studies = []
    for number in (1, 2, 3):
        cohorts = {"CONTROL": 9, "SEPSIS": 10, "SEPTIC_SHOCK": 11 - number, "UNKNOWN": 2}
        studies.append(study_of(f"GSE{number}", cohorts, genes, seed=number))
    studies.append(study_of("SRP4", {"SEPSIS": 9, "CONTROL": 8}, genes, 4, technology="RNA-SEQ"))
    dice = np.random.default_rng(5)
    for _, matrix in studies[:2]:
        matrix.values[2:6, dice.integers(0, 20, 2)] = np.nan
    del studies[1][0].genes[9], studies[1][1].genes[9]
    studies[1][1].values = np.delete(studies[1][1].values, 9, axis=0)
    for _, matrix in studies:
        matrix.__post_init__()
    ingest(warehouse, folder, studies)
    build(warehouse, gene_filter_top=2, k_min=2)
    return warehouse, [matrix for _, matrix in studies[:3]]


@pytest.fixture
def copied(built, tmp_path):
    return moved(built[0], tmp_path)


def test_all_genes_with_gaps(built, copied):
    result = screen(copied, "--keep", 30, "--technology", "MICROARRAY")
    assert result.exit_code == 0, result.output
    build(copied, gene_filter_top=2, k_min=2)
    every = oracle.meta_analysis(built[1], top=10**6, k_min=2, watched=WATCHED)
    rows = assert_metrics(copied, "MICROARRAY", every)
    (told,) = events(result, "screened")
    assert told["kept_count"] == len(rows) < len(every.wide)
    # The screen's own statistics are the same.
    names = "z, t_hk, p, q, p_hk, q_hk, p_hk_adhoc, q_hk_adhoc, q_pair"
    stage = copied.query(
        f"select {names} from staging.screened_contrasts order by contrast, gene_a_key, gene_b_key"
    )
    fact = copied.query(
        f"select {names.replace('t_hk', 'theta_re / hk_se')}"
        " from fact.fact_gene_pair_contrast inner join dim.dim_gene_pair using (pair_key)"
        " inner join dim.dim_contrast using (contrast_key)"
        " where technology = 'MICROARRAY' order by contrast, gene_a_key, gene_b_key"
    )
    np.testing.assert_allclose(np.array(fact, float), np.array(stage, float), rtol=1e-9)
    sources = "select distinct pair_source, technology from analytics.tbl_gene_pairs_materialized"
    assert set(copied.query(sources)) == {
        ("screen", "MICROARRAY"), ("watch_list", "MICROARRAY"), ("gene_filter", "RNA-SEQ"),
        ("watch_list", "RNA-SEQ"),
    }  # fmt: skip
    ((kind, disease, genes, pairs, studies, parameters),) = copied.query(
        "select kind, disease_label, gene_count, pairs_tested, study_count, parameters_json"
        " from meta.meta_feature_run"
    )
    tested = next(iter(every.wide.values()))["pairs_tested"]
    assert (kind, disease, genes, pairs, studies) == ("SCREEN", "SEPSIS", 42, tested, 3)
    assert json.loads(parameters)["k_min"] == 2, "the vars of the build, not the file's"
    assert told["pair_count"] == tested
    assert not list((copied.path.parent / "work").iterdir()), "nothing is left of it"


def test_a_screen_of_other_studies_is_stale(copied, tmp_path):
    """Its pairs are left out, with a warning, until there is a new one."""
    screen(copied, "--keep", 30, "--technology", "MICROARRAY")
    build(copied, gene_filter_top=2, k_min=2)
    candidates = (
        "select count(*) from analytics.tbl_gene_pairs_materialized where technology = 'MICROARRAY'"
    )
    assert copied.query(candidates)[0][0] > 30
    finding = (
        "select subject from validation.validation_finding where validation_code = 'SCREEN_STALE'"
    )
    assert copied.query(finding) == []
    ingest(copied, tmp_path, [small_study(8)])
    build(copied, gene_filter_top=2, k_min=2)
    assert copied.query(candidates)[0][0] <= 6
    assert copied.query(finding) == [("SEPSIS MICROARRAY HOMO_SAPIENS",)]
    assert screen(copied, "--keep", 20, "--technology", "MICROARRAY").exit_code == 0
    build(copied, gene_filter_top=2, k_min=2)
    assert copied.query(finding) == []
    assert copied.query(candidates)[0][0] > 20


def test_a_second_screen_takes_the_place_of_the_first(copied):
    screen(copied, "--keep", 30, "--technology", "MICROARRAY")
    first = staged(copied)
    screen(copied, "--keep", 30, "--technology", "MICROARRAY")
    assert staged(copied) == first


def test_killed_and_run_again(copied, tmp_path):
    """At any moment: before the warehouse is open, while it is read, ranked, computed or written."""
    command = [
        sys.executable,
        "-m",
        "expression_warehouse",
        "pairs",
        "screen",
        "--disease",
        "SEPSIS",
        "--keep",
        "30",
    ]
    command += ["--technology", "MICROARRAY", "--work", str(copied.path.parent / "work")]
    screen(copied, "--keep", 30, "--technology", "MICROARRAY")
    expected = staged(copied)
    copied.query_write("delete from staging.screened_pairs")
    copied.query_write("delete from staging.screened_contrasts")
    for seconds in (2.0, 3.0, 4.0):
        process = subprocess.Popen(
            command, env=copied.env, cwd=PROJECT, stdout=subprocess.DEVNULL
        )  # fmt: skip
        time.sleep(seconds)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert staged(copied) in ([], expected)
    result = screen(copied, "--keep", 30, "--technology", "MICROARRAY")
    assert result.exit_code == 0, result.output
    assert staged(copied) == expected


def test_the_demo_is_screened_and_built(copy_of, tmp_path):
    """Its data tests hold as well: no q is below the p that the build computes."""
    warehouse = copy_of(built_demo, tmp_path)
    assert screen(warehouse).exit_code == 0
    warehouse.build()
    for q, p in (("q", "p"), ("q_hk", "p_hk"), ("q_hk_adhoc", "p_hk_adhoc")):
        ((rows, below),) = warehouse.query(
            f"select count({q}), count(*) filter (where {q} < {p}) from staging.screened_contrasts"
        )
        assert rows > 0
        assert below == 0


def test_mistakes_are_named(copied):
    assert "SEPSISS" in refused(screen(copied, disease="SEPSISS"), "CONFIG_INVALID")["found"]
    refused(screen(copied, "--technology", "OTHER"), "AGG_MISSING_DISEASE_MAP")
    result = screen(copied, "--method", "mad")
    assert result.exit_code == 2
    assert "--method has no effect without --top-genes" in result.output
    assert screen(copied, "--technology", "RNASEQ").exit_code == 2
    error = refused(screen(copied, "--technology", "RNA-SEQ"), "PAIRS_NOTHING_TO_TEST")
    assert "no contrast has 2 studies with both sides (ss 0, sc 1, soth 0)" in error["found"]
    result = screen(copied)
    assert result.exit_code == 0, result.output
    assert [event["slice"] for event in events(result, "screened")] == [
        "SEPSIS MICROARRAY HOMO_SAPIENS"
    ]
    (skipped,) = events(result, "slice_skipped")
    assert "SEPSIS RNA-SEQ HOMO_SAPIENS: no contrast" in skipped["error"]
    copied.query_write("delete from staging.screened_pairs")
    copied.query_write("delete from staging.screened_contrasts")
    error = refused(screen(copied, "--memory", "500MB"), "PAIRS_MEMORY_EXCEEDED")
    assert "42 genes in 3 studies" in error["found"]
    error = refused(screen(copied, "--memory", "much"), "CONFIG_INVALID")
    assert "line" not in error["action"], "an option is on no line"
    refused(screen(copied, "--dask", "nowhere", "--technology", "MICROARRAY"), "DASK_UNAVAILABLE")
    assert staged(copied) == []
    statuses = copied.query(
        "select distinct status from meta.meta_etl_process_log where step = 'screen'"
    )
    assert set(statuses) == {("FAILED",), ("SUCCESS",)}


def test_a_disease_whose_contrasts_are_no_longer_defined(copied):
    copied.query_write(
        "update dim.dim_contrast set contrast_natural_key = concat('old ', contrast_natural_key)"
    )
    for result in (screen(copied), copied.pairs("calibrate", "--disease", "SEPSIS")):
        error = refused(result, "PAIRS_NOTHING_TO_TEST")
        assert error["found"].startswith("SEPSIS has no contrasts")
        assert error["action"].startswith("Define them under diseases in pipeline.yaml")


def test_no_warehouse(warehouse):
    refused(screen(warehouse), "LOAD_WAREHOUSE_NOT_BUILT")
