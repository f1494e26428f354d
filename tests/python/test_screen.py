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
from conftest import PROJECT, WarehouseUnderTest, events
from test_pair_metrics import (
    PANEL_CONFIG,
    WATCHED,
    Rows,
    build,
    differences,
    ingest,
    moved,
    small_study,
    study_of,
    table,
    without,
)

from demo.download import CONFIG_FILE, write_downloads

TESTS = ("ss", "soth", "ss_hk", "soth_hk", "combined", "combined_dependent")


def screen(warehouse: WarehouseUnderTest, *arguments: object, disease: str = "SEPSIS"):
    work = warehouse.path.parent / "work"
    return warehouse.pairs("screen", "--disease", disease, "--work", work, *arguments)


def staged(warehouse: WarehouseUnderTest) -> list[tuple]:
    return warehouse.query(
        "select * exclude (feature_run_id) from staging.screened_pairs"
        " order by disease_label, technology, gene_a_key, gene_b_key"
    )


def refused(result, name: str) -> dict:
    """The error of a command that failed as it should."""
    assert result.exit_code == 1, result.output
    (error,) = events(result, "failed")
    assert error["error_name"] == name
    return error


def assert_metrics(rows: Rows, expected: dict[tuple[str, str], oracle.Row]) -> None:
    """All metrics of the kept pairs are the expected ones; each q is in [exact, 1.001 exact], at
    least p and at most 1."""
    wanted = {pair: expected[pair] for pair in rows}
    names = next(iter(wanted.values()))
    rates = [name for name in names if name.startswith("q_")]
    assert not differences(rows, without(wanted, [n for n in names if "q_" in n[:9]]))
    p_of = {"q_combined": "combined_p_value", "q_combined_dependent": "combined_p_dependent"}
    for pair, row in wanted.items():
        for rate in rates:
            q, exact, p = rows[pair][rate], row[rate], rows[pair][p_of.get(rate, f"p{rate[1:]}")]
            assert (q is None) == (exact is None), (pair, rate)
            if q is not None:
                assert exact * (1 - 1e-8) <= q <= 1.001 * exact, (pair, rate)
                assert p <= q <= 1, (pair, rate)


def test_ten_published_studies(warehouse, shared_data):
    """The best 40 pairs by each test of all pairs of 25 genes and the watched ones."""
    folder = shared_data / "sepsis_panel"
    assert warehouse.loader("ingest", folder, "--config", PANEL_CONFIG).exit_code == 0
    build(warehouse, gene_filter_top=2)
    result = screen(warehouse, "--keep", 40, "--top-genes", 25)
    assert result.exit_code == 0, result.output
    build(warehouse, gene_filter_top=2)
    studies = oracle.read_panel(folder)
    found = table(warehouse)
    assert set(found) == {("SEPSIS", "MICROARRAY"), ("SEPSIS", "RNA-SEQ")}
    for (_, technology), rows in found.items():
        own = [study for study in studies if study.technology == technology]
        every = oracle.pair_metrics(own, top=25, watched=WATCHED)
        assert len(rows) < len(every)
        assert_metrics(rows, every)
        for test in TESTS:
            p = {"combined": "combined_p_value", "combined_dependent": "combined_p_dependent"}.get(
                test, f"p_{test}"
            )
            tested = [pair for pair in every if every[pair][p] is not None]
            assert set(sorted(tested, key=lambda pair: every[pair][p])[:40]) <= set(rows), p
        watched = tuple(sorted(WATCHED))
        assert (watched in rows) == (watched in every)


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
    rows = table(copied)["SEPSIS", "MICROARRAY"]
    every = oracle.pair_metrics(built[1], top=10**6, k_min=2, watched=WATCHED)
    assert {row["pairs_tested"] for row in every.values()} == {42 * 41 // 2}
    assert_metrics(rows, every)
    (told,) = events(result, "screened")
    assert told["kept_count"] == len(rows) < len(every)
    # What the screen itself says is the same.
    stage = copied.query(
        "select p_ss, q_ss, p_soth_hk, q_soth_hk, p_combined_dependent, q_combined_dependent"
        " from staging.screened_pairs order by gene_a_key, gene_b_key"
    )
    fact = copied.query(
        "select p_ss, q_ss, p_soth_hk, q_soth_hk, combined_p_dependent, q_combined_dependent"
        " from fact.fact_gene_pair_metrics inner join dim.dim_gene_pair using (pair_key)"
        " where technology = 'MICROARRAY' order by gene_a_key, gene_b_key"
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
    assert (kind, disease, genes, pairs, studies) == ("SCREEN", "SEPSIS", 42, 861, 3)
    assert json.loads(parameters)["k_min"] == 2, "the vars of the build, not the file's"
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
    assert copied.query(finding) == [("SEPSIS MICROARRAY",)]
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


def test_the_demo_is_screened_and_built(warehouse, tmp_path):
    """Its data tests hold as well: no q is below the p that the build computes."""
    folder = tmp_path / "downloads"
    write_downloads(folder, seed=1)
    assert warehouse.loader("ingest", folder, "--config", folder / CONFIG_FILE).exit_code == 0
    warehouse.build()
    assert screen(warehouse).exit_code == 0
    warehouse.build()
    for test in TESTS:
        ((pairs,),) = warehouse.query(
            f"select count(*) from staging.screened_pairs where q_{test} < p_{test}"
        )
        assert pairs == 0


def test_mistakes_are_named(copied):
    assert "SEPSISS" in refused(screen(copied, disease="SEPSISS"), "CONFIG_INVALID")["found"]
    refused(screen(copied, "--technology", "OTHER"), "AGG_MISSING_DISEASE_MAP")
    result = screen(copied, "--method", "mad")
    assert result.exit_code == 2
    assert "--method has no effect without --top-genes" in result.output
    assert screen(copied, "--technology", "RNASEQ").exit_code == 2
    error = refused(screen(copied, "--technology", "RNA-SEQ"), "PAIRS_NOTHING_TO_TEST")
    assert "septic shock" in error["found"]
    error = refused(screen(copied, "--memory", "500MB"), "PAIRS_MEMORY_EXCEEDED")
    assert "47 genes in 3 studies" in error["found"]
    refused(screen(copied, "--memory", "much"), "CONFIG_INVALID")
    refused(screen(copied, "--dask", "nowhere", "--technology", "MICROARRAY"), "DASK_UNAVAILABLE")
    assert staged(copied) == []
    statuses = copied.query(
        "select distinct status from meta.meta_etl_process_log where step = 'screen'"
    )
    assert statuses == [("FAILED",)]


def test_no_warehouse(warehouse):
    refused(screen(warehouse), "LOAD_WAREHOUSE_NOT_BUILT")
