"""A batch that is held back: what it takes to get on, and that nothing of it gets out before."""

import pytest
from conftest import EXPRESSION, Study, events, narrow_runs

from expression_warehouse.core.project import read_seed
from loader.summary import quarantined


@pytest.fixture(autouse=True)
def narrow(monkeypatch):
    """Runs build, and test, expression values alone."""
    narrow_runs(monkeypatch, *EXPRESSION)


@pytest.fixture
def held(warehouse, tmp_path):
    """A study whose unit cannot be told, staged and quarantined; its download."""
    study = Study(technology="RNA-SEQ", titles=["sepsis"] * 3)
    folder = study.write(tmp_path / "held")
    assert warehouse.loader("ingest", folder).exit_code == 1
    return folder


def register(warehouse):
    return warehouse.query(
        "select status, split_part(quarantine_reason, ':', 1) from staging.batch order by created_at"
    )


def test_its_rows_and_the_reason_are_there_to_look_at(warehouse, held):
    assert register(warehouse) == [("QUARANTINED", "54020 UNIT_UNDETECTED")]
    assert warehouse.query(
        "select count(*), sum(expression_value) from staging.expression_rows"
    ) == [(6, 21.75)]
    assert warehouse.query(
        "select status, error_code, rows_written from meta.meta_etl_process_log where step = 'stage_study'"
    ) == [("FAILED", 54020, 6)]


def test_the_same_file_again_says_so_and_changes_nothing(warehouse, held):
    before = warehouse.staged()
    result = warehouse.loader("ingest", held)
    assert result.exit_code == 1
    (failure,) = events(result, "failed")
    assert failure["error_code"] == 4009
    assert "54020 UNIT_UNDETECTED" in failure["found"]
    # release_batch would refuse it: 54044.
    assert "release" not in failure["action"]
    assert warehouse.staged() == before


def test_the_same_file_again_says_that_it_can_be_released(warehouse, tmp_path):
    folder = Study(values=[["1", "-0.5", "3"], ["4", "5", "6"]]).write(tmp_path / "d")
    config = tmp_path / "pipeline.yaml"
    config.write_text("studies: {GSE1: {units: TPM}}")
    for _ in range(2):
        result = warehouse.loader("ingest", folder, "--config", config)
        assert result.exit_code == 1
    (failure,) = events(result, "failed")
    assert failure["error_code"] == 4009
    assert "2007 VALIDATION_EXPRESSION_DOMAIN" in failure["found"]
    assert "release_batch" in failure["action"]


@pytest.mark.parametrize(
    ("name", "is_releasable"),
    [(row["error_name"], row["is_releasable"] == "1") for row in read_seed("error_code")],
)
def test_a_release_is_advised_for_what_can_be_released_alone(name, is_releasable):
    error = quarantined("the batch is quarantined", f"1 {name}: why")
    assert ("release_batch" in error.action) == is_releasable


def test_a_word_in_pipeline_yaml_lets_it_go_on(warehouse, held, tmp_path):
    config = tmp_path / "pipeline.yaml"
    config.write_text("studies: {GSE1: {units: LOG2}}")
    assert warehouse.loader("run", held, "--config", config).exit_code == 0
    assert register(warehouse) == [("LOADED", None)]
    assert warehouse.query("select count(*) from fact.fact_gene_expression") == [(6,)]


def test_a_wrong_word_holds_it_back_for_another_reason(warehouse, tmp_path):
    folder = Study(technology="RNA-SEQ", values=[["1", "-2", "3"], ["4", "5", "6"]]).write(
        tmp_path / "d"
    )
    assert warehouse.loader("ingest", folder).exit_code == 1
    config = tmp_path / "pipeline.yaml"
    config.write_text("studies: {GSE1: {units: TPM}}")
    assert warehouse.loader("ingest", folder, "--config", config).exit_code == 1
    assert register(warehouse) == [("QUARANTINED", "2007 VALIDATION_EXPRESSION_DOMAIN")]


def test_a_corrected_download_takes_its_place(warehouse, held, tmp_path):
    corrected = Study(created_at="2025-01-01T00:00:00", titles=["sepsis"] * 3)
    assert warehouse.loader("run", corrected.write(tmp_path / "corrected")).exit_code == 0
    assert register(warehouse) == [("QUARANTINED", "54020 UNIT_UNDETECTED"), ("LOADED", None)]
    assert warehouse.query("select count(*) from analytics.vw_expression_long") == [(6,)]


def test_it_does_not_replace_what_is_loaded(warehouse, tmp_path):
    """A newer download that is held back leaves the one before in the views."""
    assert warehouse.loader("run", Study().write(tmp_path / "old")).exit_code == 0
    newer = Study(created_at="2025-01-01T00:00:00", values=[["1", "2", "31"], ["4", "5", "6"]])
    assert warehouse.loader("run", newer.write(tmp_path / "new")).exit_code == 1
    assert [status for status, _ in register(warehouse)] == ["LOADED", "QUARANTINED"]
    assert warehouse.query("select max(expression_value) from analytics.vw_expression_long") == [
        (6.25,)
    ]
    assert warehouse.query("select study_unit_tag from dim.dim_study") == [("ARRAY_LOG2",)]


def test_a_wrong_word_does_not_take_a_loaded_study_away(warehouse, tmp_path):
    """The load is undone: batch and values stay."""
    folder = Study(values=[["1", "2", "30"], ["4", "5", "100"]]).write(tmp_path / "d")
    config = tmp_path / "pipeline.yaml"
    config.write_text("studies: {GSE1: {units: CPM}}")
    assert warehouse.loader("run", folder, "--config", config).exit_code == 0
    before = warehouse.query("from analytics.vw_expression_long order by all")
    config.write_text("studies: {GSE1: {units: LOG2}}")
    assert warehouse.loader("run", folder, "--config", config).exit_code == 1
    assert register(warehouse) == [("LOADED", None)]
    assert warehouse.query("from analytics.vw_expression_long order by all") == before
    config.write_text("studies: {GSE1: {units: CPM}}")
    assert warehouse.loader("run", folder, "--config", config).exit_code == 0
    assert register(warehouse) == [("LOADED", None)]


def test_a_release_holds_for_the_rows_and_the_unit_that_it_was_for(warehouse, tmp_path):
    folder = Study(values=[["1", "-0.5", "3"], ["4", "5", "6"]]).write(tmp_path / "d")
    config = tmp_path / "pipeline.yaml"
    config.write_text("studies: {GSE1: {units: TPM}}")
    assert warehouse.loader("run", folder, "--config", config).exit_code == 1
    ((batch_id,),) = warehouse.query("select batch_id from staging.batch")
    warehouse.dbt("run-operation", "release_batch", "--args", f"{{batch_id: '{batch_id}'}}")
    config.write_text("studies: {GSE1: {units: TPM, disease: SEPSIS}}")
    assert warehouse.loader("run", folder, "--config", config).exit_code == 0
    assert register(warehouse) == [("LOADED", None)]
    config.write_text("studies: {GSE1: {units: CPM}}")
    assert warehouse.loader("run", folder, "--config", config).exit_code == 1


def test_negative_counts_are_never_released(warehouse, tmp_path):
    """A sample's total would be wrong, and all of its values with it."""
    folder = Study(technology="RNA-SEQ", values=[["1000", "0", "20000"], ["-900", "5", "6"]]).write(
        tmp_path / "d"
    )
    assert warehouse.loader("run", folder).exit_code == 1
    ((batch_id,),) = warehouse.query("select batch_id from staging.batch")
    said = warehouse.dbt(
        "run-operation", "release_batch", "--args", f"{{batch_id: '{batch_id}'}}", succeeds=False
    )
    assert "54044 BATCH_NOT_RELEASABLE" in said
    assert register(warehouse) == [("QUARANTINED", "2011 VALIDATION_COUNTS_INVALID")]
    assert warehouse.query("select count(*) from fact.fact_gene_expression") == [(0,)]


def test_release_before_the_first_build_is_named(warehouse, held):
    ((batch_id,),) = warehouse.query("select batch_id from staging.batch")
    said = warehouse.dbt(
        "run-operation", "release_batch", "--args", f"{{batch_id: '{batch_id}'}}", succeeds=False
    )
    assert "4008 LOAD_WAREHOUSE_NOT_BUILT" in said


def test_what_another_run_has_quarantined_fails_this_one(warehouse, tmp_path, monkeypatch):
    """Between the ingest of a run and its build."""
    import loader.build

    invoke = loader.build._invoke

    def invoke_after_another(*args):
        warehouse.query_write(
            "update staging.batch set status = 'QUARANTINED', quarantine_reason = '2003 x: y'"
        )
        return invoke(*args)

    monkeypatch.setattr(loader.build, "_invoke", invoke_after_another)
    result = warehouse.loader("run", Study().write(tmp_path / "d"))
    assert result.exit_code == 1
    assert "2003 x: y" in events(result, "failed")[0]["found"]
