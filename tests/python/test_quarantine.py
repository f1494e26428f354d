"""A batch that is held back: what it takes to get on, and that nothing of it gets out before."""

import pytest
from conftest import Study, events


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
    assert warehouse.staged() == before


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
