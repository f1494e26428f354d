"""`python -m loader run`: one command, its exit code, and the story that the log tells, also where
a lock, a conflict, a lost connection or a kill breaks it off.

Locks, conflicts and closed connections are DuckDB's own. SQL Server's are told by their messages
(test_transient.py): no server was at hand.
"""

import json
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
import tenacity
from conftest import Study, WarehouseUnderTest, events, moved, narrow_runs
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.adapters.duckdb.environments.local import DuckDBCursorWrapper
from forked import Command, Death
from test_crash import contents, metrics

import expression_warehouse.core.dbt_command
import loader.build
from expression_warehouse.core.config import load_config
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.snapshot import publish_again
from loader.run import _archive_decisions

TABLES = (
    "staging.batch", "staging.expression_rows", "dim.dim_study", "dim.dim_sample", "dim.dim_gene",
    "fact.fact_gene_expression",
)  # fmt: skip
TITLES = ("sepsis", "healthy control", "septic shock")


def study(number: int, **broken: object) -> Study:
    samples = [f"S{number}_{i}" for i in range(30)]
    genes = [f"ENSG{i:011d}" for i in range(6)]
    values = [
        [f"{(7 * g + 3 * s * (g + 1) + number * s * s) % 97 / 8}" for s in range(30)]
        for g in range(6)
    ]
    titles = [TITLES[i % 3] for i in range(30)]
    return Study(f"GSE{number}", samples, genes, values, titles, **broken)


CONFIG = "studies: {GSE1: {disease: SEPSIS}, GSE2: {disease: SEPSIS}, GSE3: {disease: SEPSIS}}"


@pytest.fixture(scope="module")
def downloads(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("downloads")
    for number in (1, 2, 3):
        study(number).write(folder / f"d{number}")
    (folder / "pipeline.yaml").write_text(CONFIG)
    return folder


def arguments(downloads: Path, *more: object) -> tuple[object, ...]:
    return ("run", downloads, "--config", downloads / "pipeline.yaml", *more)


def command(warehouse: WarehouseUnderTest, manifests: Path, *arguments: object) -> Command:
    return Command("loader", tuple(map(str, arguments)), warehouse.env, manifests)


@pytest.fixture(scope="module")
def undisturbed(downloads, manifests, tmp_path_factory) -> WarehouseUnderTest:
    """A warehouse that one run has made and nothing happened to."""
    folder = tmp_path_factory.mktemp("undisturbed")
    warehouse = WarehouseUnderTest(folder)
    warehouse.steps = command(warehouse, manifests, *arguments(downloads)).durations(folder)
    return warehouse


def assert_equal(warehouse: WarehouseUnderTest, undisturbed: WarehouseUnderTest) -> None:
    """Equal row for row; metrics but for the rounding of sums in another order."""
    assert contents(warehouse, TABLES) == contents(undisturbed, TABLES)
    assert metrics(warehouse) == metrics(undisturbed)


@pytest.fixture
def impatient(monkeypatch, warehouse):
    """Attempts follow each other at once, and build only what `assert_equal` looks at."""
    without_tests(warehouse)
    narrow_runs(monkeypatch, "+fact_gene_pair_metrics")
    monkeypatch.setattr(loader.build, "_WAIT_S", tenacity.wait_none())


def without_tests(warehouse: WarehouseUnderTest) -> None:
    """Builds are to run no tests of the data: they take half of a build."""
    warehouse.env["DBT_RESOURCE_TYPES"] = "seed model"


def story(warehouse: WarehouseUnderTest, step: str) -> list[tuple]:
    return warehouse.query(
        f"select status, attempt from meta.meta_etl_process_log where step = '{step}' order by started_at"
    )


def test_the_log_has_every_step_and_node(undisturbed, downloads):
    ((run_id,),) = undisturbed.query("select distinct run_id from meta.meta_etl_process_log")
    assert len(run_id) == 36
    assert undisturbed.query(
        "select status from meta.meta_etl_process_log where step = 'dbt build'"
    ) == [("SUCCESS",)]
    steps = {step for (step,) in undisturbed.query("select step from meta.meta_etl_process_log")}
    assert {
        "run",
        "ingest",
        "stage_study",
        "dbt build",
        "load_batch",
        "model.fact_gene_expression",
    } <= steps
    assert (
        undisturbed.query(
            "select rows_read, rows_written, batch_id = (select batch_id from staging.batch where study_accession_code = 'GSE1'),"
            " ended_at >= started_at from meta.meta_etl_process_log"
            " where step in ('stage_study', 'load_batch') and context_json ->> 'study_accession' = 'GSE1'"
        )
        == [(180, 180, True, True)] * 2
    )
    ((context,),) = undisturbed.query(
        "select context_json from meta.meta_etl_process_log where step = 'run'"
    )
    context = json.loads(context)
    assert context["config_snapshot"]["yaml"] == CONFIG
    assert set(context["versions"]) >= {"python", "dbt-core", "duckdb"}


def test_a_second_run_adds_nothing(undisturbed, downloads, tmp_path):
    warehouse = moved(undisturbed, tmp_path)
    without_tests(warehouse)
    before = contents(warehouse, ("staging.expression_rows", "fact.fact_gene_expression"))
    assert warehouse.loader(*arguments(downloads)).exit_code == 0
    assert contents(warehouse, ("staging.expression_rows", "fact.fact_gene_expression")) == before
    assert [status for status, _ in story(warehouse, "stage_study")] == ["SUCCESS"] * 3 + [
        "SKIPPED"
    ] * 3
    assert len(story(warehouse, "load_batch")) == 3


def test_a_broken_study_and_a_quarantined_one_stop_no_other(warehouse, tmp_path):
    """The queries of docs/operations.md diagnose the failed run from the database alone."""
    folder = tmp_path / "d"
    study(1).write(folder / "good")
    refused = study(2)
    refused.values[3][7] = "high"
    refused.write(folder / "refused")
    study(3, technology="RNA-SEQ").write(folder / "no_unit")

    result = warehouse.loader("run", folder)

    assert result.exit_code == 1
    assert events(result)[-1]["step"] == "run_ended"
    assert events(result)[-1]["status"] == "FAILED"
    assert warehouse.query("select study_accession_code, status from staging.batch order by 1") == [
        ("GSE1", "LOADED"),
        ("GSE3", "QUARANTINED"),
    ]
    assert warehouse.query("select count(*) from fact.fact_gene_expression") == [(180,)]
    assert story(warehouse, "run") == [("FAILED", 1)]
    assert story(warehouse, "dbt build") == [("SUCCESS", 1)]
    failed = warehouse.query(
        "select context_json ->> 'study_accession', error_code from meta.meta_etl_process_log"
        " where status = 'FAILED' and step = 'stage_study' order by 1"
    )
    assert failed == [("GSE2", 1004), ("GSE3", 54020)]
    assert warehouse.query(
        "select validation_code, details ->> 'line', details ->> 'finding' from meta.meta_data_validation_log"
        " where details ->> 'study_accession' = 'GSE2'"
    ) == [("EXTRACTION_PARSE_ERROR", "5", "sample S2_7 has the value 'high'")]


def test_what_is_wrong_with_the_data_is_not_tried_again(undisturbed, downloads, tmp_path):
    """A batch that breaks a rule fails its test once: 54xxx passes by no waiting."""
    warehouse = moved(undisturbed, tmp_path)
    warehouse.query_write(
        "update staging.batch set status = 'STAGED', config_snapshot = '{\"units\": null}'"
        " where study_accession_code = 'GSE2'",
        "update staging.study_metadata set metadata_json ="
        " replace(metadata_json, 'MICROARRAY', 'RNA-SEQ') where study_accession_code = 'GSE2'",
    )
    # The downloads of GSE2 would mend it.
    result = warehouse.loader(
        *arguments(downloads)[:1], downloads / "d1", *arguments(downloads)[2:]
    )
    assert result.exit_code == 1
    assert events(result, "built")[0]["attempts"] == 1
    assert story(warehouse, "test.54020_UNIT_UNDETECTED")[-1] == ("FAILED", 1)


def run_at_once(*commands: Command) -> None:
    running = [command.start() for command in commands]
    for process in running:
        process.join()
    assert [process.exitcode for process in running] == [0] * len(running)


def test_two_runs_at_once_of_different_studies(undisturbed, downloads, manifests, warehouse):
    without_tests(warehouse)
    config = ("--config", downloads / "pipeline.yaml")
    run_at_once(
        command(
            warehouse, manifests, "run", downloads, *config, "--study", "GSE1", "--study", "GSE3"
        ),
        command(warehouse, manifests, "run", downloads, *config, "--study", "GSE2"),
    )
    assert natural(warehouse) == natural(undisturbed)
    assert story(warehouse, "run") == [("SUCCESS", 1)] * 2
    assert len(story(warehouse, "load_batch")) == 3


def test_two_runs_at_once_of_the_same_study(undisturbed, downloads, manifests, warehouse):
    without_tests(warehouse)
    run_at_once(*[command(warehouse, manifests, *arguments(downloads))] * 2)
    assert natural(warehouse) == natural(undisturbed)
    assert len(story(warehouse, "load_batch")) == 3
    assert (
        sorted(status for status, _ in story(warehouse, "stage_study"))
        == ["SKIPPED"] * 3 + ["SUCCESS"] * 3
    )


def natural(warehouse: WarehouseUnderTest) -> list[tuple]:
    """The fact by natural keys: what it holds, whatever key a study was given."""
    return warehouse.query(
        "select count(*), count(distinct (study_accession_code, sample_accession_code, gene_id)),"
        " sum(hash(study_accession_code, sample_accession_code, gene_id, expression_value, illness_label))"
        " from analytics.vw_expression_long"
    )


HOLDER = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"


def test_a_reader_that_comes_between(undisturbed, downloads, warehouse, monkeypatch, impatient):
    """Just between the wait for the file and dbt's own connection: dbt waits until it has gone."""
    invoke, held = loader.build._invoke, []

    def invoke_behind_a_reader(*args):
        held.append(
            subprocess.Popen(
                [sys.executable, "-c", HOLDER, str(warehouse.path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        )
        assert held[0].stdout.readline() == "held\n"
        threading.Timer(1, held[0].communicate).start()
        return invoke(*args)

    monkeypatch.setattr(loader.build, "_invoke", invoke_behind_a_reader)
    result = warehouse.loader(*arguments(downloads))
    assert result.exit_code == 0, result.output
    assert events(result, "built")[0]["attempts"] == 1
    assert_equal(warehouse, undisturbed)


class Fault:
    """Does something once, before the first statement of dbt that has a text in it."""

    def __init__(self, monkeypatch, text: str, strike) -> None:
        self.strikes = 0
        execute = DuckDBCursorWrapper.execute

        def execute_with_fault(wrapper, sql, bindings=None):
            if text in sql and self.strikes == 0:
                self.strikes += 1
                strike(wrapper)
            return execute(wrapper, sql, bindings)

        monkeypatch.setattr(DuckDBCursorWrapper, "execute", execute_with_fault)


def test_a_conflict_with_another_transaction(
    undisturbed, downloads, warehouse, monkeypatch, impatient
):
    """Another connection has changed the register and not committed yet."""
    others = []

    def change_the_register(_wrapper):
        other = DuckDBConnectionManager._ENV.conn.cursor()
        other.begin()
        other.execute("update staging.batch set status = status")
        others.append(other)

    fault = Fault(monkeypatch, "loaded_run_id = ", change_the_register)
    close = expression_warehouse.core.dbt_command.close_connections

    def roll_back_and_close():
        while others:
            others.pop().rollback()
        close()

    monkeypatch.setattr(
        expression_warehouse.core.dbt_command, "close_connections", roll_back_and_close
    )
    result = warehouse.loader(*arguments(downloads))
    assert fault.strikes == 1
    assert result.exit_code == 0, result.output
    assert "Conflict on update" in events(result, "retrying")[0]["reason"]
    assert story(warehouse, "model.fact_gene_expression") == [("FAILED", 1), ("SUCCESS", 2)]
    assert story(warehouse, "dbt build") == [("FAILED", 1), ("SUCCESS", 2)]
    assert_equal(warehouse, undisturbed)


@pytest.mark.parametrize(
    "moment",
    [
        "int_source_finding",
        "loaded_run_id = ",
        "fact_gene_pair_metrics",
        pytest.param("status = 'QUARANTINED'", marks=pytest.mark.long),
        pytest.param('"dim"."dim_gene"', marks=pytest.mark.long),
    ],
)
def test_a_connection_that_is_lost(
    undisturbed, downloads, warehouse, monkeypatch, impatient, moment
):
    fault = Fault(monkeypatch, moment, lambda wrapper: wrapper._cursor.close())
    result = warehouse.loader(*arguments(downloads))
    assert fault.strikes == 1
    assert result.exit_code == 0, result.output
    assert events(result, "built")[0]["attempts"] == 2
    assert_equal(warehouse, undisturbed)


def test_an_error_that_stays_ends_after_three_attempts(
    downloads, warehouse, monkeypatch, impatient
):
    def lose(wrapper):
        fault.strikes = 0
        wrapper._cursor.close()

    fault = Fault(monkeypatch, '"dim"."dim_gene"', lose)
    result = warehouse.loader(*arguments(downloads))
    assert result.exit_code == 1
    assert events(result, "built")[0]["attempts"] == 3
    assert events(result)[-1]["status"] == "FAILED"
    assert [attempt for _, attempt in story(warehouse, "model.dim_gene")] == [1, 2, 3]


def test_a_log_that_cannot_be_written_at_first(
    undisturbed, downloads, warehouse, monkeypatch, impatient
):
    """dbt does not retry its hooks: the build is run again, and finds done what is done."""
    fault = Fault(monkeypatch, "and p.step = 'load_batch'", lambda wrapper: wrapper._cursor.close())
    result = warehouse.loader(*arguments(downloads))
    assert fault.strikes == 1
    assert result.exit_code == 0, result.output
    assert events(result, "built")[0]["attempts"] == 2
    assert len(story(warehouse, "load_batch")) == 3
    assert ("SUCCESS", 2) in story(warehouse, "model.fact_gene_expression")
    assert_equal(warehouse, undisturbed)


def test_a_run_that_finds_no_study_tells_why_in_the_warehouse(warehouse, tmp_path):
    (tmp_path / "d.zip").write_text("no zip")
    assert warehouse.loader("run", tmp_path / "d.zip").exit_code == 1
    ((command, status, code, message),) = warehouse.query(
        "select command, status, error_code, error_message from meta.vw_run"
    )
    assert (command, status, code) == ("run", "FAILED", 1006)
    assert "d.zip" in message
    assert warehouse.query("select error_code from meta.vw_finding") == [(1006,)]


def test_a_killed_run_is_seen_and_mended(undisturbed, downloads, manifests, warehouse, impatient):
    """The run is killed in the middle of its build."""
    command(warehouse, manifests, *arguments(downloads)).die(Death(len(undisturbed.steps) // 2))
    assert ("RUNNING", 1) in story(warehouse, "run")
    assert len(story(warehouse, "stage_study")) == 3
    assert warehouse.loader(*arguments(downloads)).exit_code == 0
    assert_equal(warehouse, undisturbed)
    assert story(warehouse, "run")[0] == ("FAILED", 1)
    assert story(warehouse, "run")[-1] == ("SUCCESS", 1)


def test_a_profile_that_cannot_be_read_after_the_build_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("DBT_PROFILES_DIR", str(tmp_path))
    (tmp_path / "pipeline.yaml").write_text("folders: {archive: archive}\n")
    config = load_config(tmp_path / "pipeline.yaml")
    for finish in (
        lambda reporter: publish_again(None, reporter),
        lambda reporter: _archive_decisions(config, None, reporter),
    ):
        said: list[UserError] = []
        reporter = SimpleNamespace(failed=lambda study, error, said=said: said.append(error))
        error = finish(reporter)
        assert error.name == "LOAD_CONNECTION_FAILED"
        assert said == [error]
