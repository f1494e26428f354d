"""A build leaves out what it would only repeat, and nothing else."""

import re

import pytest
from conftest import PROJECT, Study, own_project

NOTHING_NEW = "Nothing is new since the build that ended at"


def built(warehouse, _shared_data):
    for number in (1, 2):
        study = Study(f"GSE{number}", samples=[f"S{number}{c}" for c in "abc"])
        folder = study.write(warehouse.folder / str(number))
        assert warehouse.loader("ingest", folder).exit_code == 0
    warehouse.build()


@pytest.fixture
def warehouse(copy_of, tmp_path):
    return copy_of(built, tmp_path)


def nodes_of_last_run(warehouse):
    """Names of models and seeds that the last run built."""
    rows = warehouse.query(
        "select step from meta.meta_etl_process_log where run_id = (select run_id from"
        " meta.meta_last_build) and (step like 'model.%' or step like 'seed.%')"
    )
    return {step.partition(".")[2] for (step,) in rows}


def relations(warehouse, kind):
    return {
        row[0]
        for row in warehouse.query(
            "select table_name from information_schema.tables where table_type ="
            f" '{kind}' and table_schema in ('staging', 'dim', 'fact', 'meta', 'analytics',"
            " 'validation')"
        )
    }


def test_a_second_build_ends_at_once(warehouse):
    before = warehouse.query("select * from meta.meta_etl_process_log")
    assert NOTHING_NEW in warehouse.build()
    assert NOTHING_NEW in warehouse.build("--select", "study:GSE2")
    assert warehouse.query("select * from meta.meta_etl_process_log") == before


def test_the_real_command_ends_at_once(warehouse):
    kinds = ("--resource-type", "seed", "--resource-type", "model")
    exit_code, output = warehouse.dbt_command("build", *kinds)
    assert exit_code == 0
    assert NOTHING_NEW in output


def ingest_a_study(warehouse):
    assert warehouse.loader("ingest", Study("GSE3").write(warehouse.folder / "3")).exit_code == 0


def ingest_a_correction(warehouse):
    config = warehouse.folder / "pipeline.yaml"
    config.write_text("studies: {GSE1: {units: LOG2}}\n")
    folder = Study("GSE1", samples=[f"S1{c}" for c in "abc"]).write(warehouse.folder / "again")
    result = warehouse.loader("ingest", folder, "--config", config)
    assert result.exit_code == 0


def map_a_disease(warehouse):
    warehouse.dbt(
        "run-operation", "upsert_study_disease_map", "--args", "{study: GSE1, disease: SEPSIS}"
    )


def annotate(warehouse):
    warehouse.annotate(("HGNC", "ENSEMBL", "ENSG00000000001", "symbol", "", "ABC"))


def define_a_disease(warehouse):
    warehouse.query_write(
        "insert into staging.disease_definition (disease_label, definition_json)"
        " values ('GOUT', '{}')"
    )


def review(warehouse):
    warehouse.query_write(
        "insert into analytics.llm_reviews (review_id, pair_key, gene_a_id, gene_b_id, verdict,"
        " rationale, reviewer, snapshot_version, api_key_id, created_at, loaded_at) values"
        " ('r1', 1, 'a', 'b', 'SUPPORTED', 'x', 'y', 'v', 'k', cast('2026-01-01' as timestamp),"
        " cast('2026-01-01' as timestamp))"
    )


def compute_features(warehouse):
    warehouse.query_write(
        "insert into meta.meta_feature_run (feature_run_id, kind, parameters_json, versions_json,"
        " started_at, ended_at) values ('f1', 'CORRELATE', '{}', '{}',"
        " cast('2026-01-01' as timestamp), cast('2026-01-01' as timestamp))"
    )


def leave_a_batch_unfinished(warehouse):
    warehouse.query_write(
        "update staging.batch set status = 'VALIDATED' where study_accession_code = 'GSE1'"
    )


@pytest.mark.parametrize(
    "change",
    [
        ingest_a_correction,
        map_a_disease,
        annotate,
        pytest.param(ingest_a_study, marks=pytest.mark.long),
        pytest.param(define_a_disease, marks=pytest.mark.long),
        pytest.param(review, marks=pytest.mark.long),
        pytest.param(compute_features, marks=pytest.mark.long),
        pytest.param(leave_a_batch_unfinished, marks=pytest.mark.long),
    ],
)
def test_whatever_is_new_is_built_without_views_and_seeds(warehouse, change):
    views = relations(warehouse, "VIEW")
    change(warehouse)
    output = warehouse.build()
    assert NOTHING_NEW not in output
    nodes = nodes_of_last_run(warehouse)
    assert {"dim_study", "fact_gene_expression"} <= nodes
    assert not nodes & (views | {"error_code", "watch_list"})
    assert relations(warehouse, "VIEW") == views
    assert NOTHING_NEW in warehouse.build()


def test_no_view_names_the_run_that_made_it(warehouse):
    """Later builds keep a view as it is."""
    names_run = {
        path.stem
        for path in (PROJECT / "models").glob("*/*.sql")
        if re.search(r"\binvocation_id\b|\brun_id\(\)", path.read_text())
    }
    assert "fact_gene_pair_metrics" in names_run
    assert not names_run & relations(warehouse, "VIEW")


def test_a_study_that_is_not_staged_is_an_error(warehouse):
    output = warehouse.build("--select", "study:GSE404", succeeds=False)
    assert "54040 STUDY_NOT_FOUND" in output


def test_a_study_alone_is_built_if_it_is_new(warehouse):
    ingest_a_study(warehouse)
    assert NOTHING_NEW not in warehouse.build("--select", "study:GSE3")
    # The views of rules name the studies selected; those of staging do not.
    assert "rule_fact_unique" in nodes_of_last_run(warehouse)
    assert "stg_study_qc" not in nodes_of_last_run(warehouse)
    assert NOTHING_NEW in warehouse.build("--select", "study:GSE3")
    assert NOTHING_NEW not in warehouse.build("--select", "study:GSE1")
    assert NOTHING_NEW not in warehouse.build()
    assert NOTHING_NEW in warehouse.build()


@pytest.mark.parametrize(
    "arguments",
    [
        ("--vars", "{k_min: 2}"),
        ("--selector", "without_unit_tests"),
        ("--warn-error",),
        pytest.param(("--store-failures",), marks=pytest.mark.long),
        pytest.param(("--exclude", "vw_run"), marks=pytest.mark.long),
        pytest.param(("--full-refresh",), marks=pytest.mark.long),
        pytest.param(("--resource-type", "test"), marks=pytest.mark.long),
    ],
)
def test_another_project_or_selection_is_built_whole(warehouse, arguments):
    output = warehouse.build(*arguments)
    assert NOTHING_NEW not in output
    assert "stg_study_qc" in nodes_of_last_run(warehouse)


def test_another_configuration_is_built_whole(warehouse):
    """The configuration of nodes in dbt_project.yml is in no file of a node."""
    file = own_project(warehouse) / "dbt_project.yml"
    configuration = file.read_text()
    assert NOTHING_NEW in warehouse.build()
    as_tables = configuration.replace(
        "    analytics:\n",
        "    analytics:\n      vw_contrast_study:\n        +materialized: table\n",
    )
    assert as_tables != configuration
    file.write_text(as_tables)
    assert NOTHING_NEW not in warehouse.build()


@pytest.mark.parametrize("command", ["run", pytest.param("seed", marks=pytest.mark.long)])
def test_after_another_command_all_is_built(warehouse, command):
    warehouse.dbt(command, "--select", "unit" if command == "seed" else "dim_illness")
    output = warehouse.build()
    assert NOTHING_NEW not in output
    assert "stg_study_qc" in nodes_of_last_run(warehouse)


def test_after_a_failed_build_all_is_built(warehouse):
    ingest_a_study(warehouse)
    warehouse.query_write(
        "update staging.batch set config_snapshot = 'no JSON' where study_accession_code = 'GSE3'"
    )
    warehouse.build(succeeds=False)
    output = warehouse.build(succeeds=False)
    assert NOTHING_NEW not in output
    assert "stg_study_qc" in nodes_of_last_run(warehouse)


def test_after_a_failed_test_all_is_built(warehouse):
    """Somebody changed a row by hand, which a build does not look at."""
    warehouse.query_write("update meta.meta_error_code set severity = 'X' where error_code = 1001")
    assert NOTHING_NEW in warehouse.build()
    warehouse.dbt("test", "--select", "error_code", succeeds=False)
    assert NOTHING_NEW not in warehouse.build()
    warehouse.dbt("test", "--select", "error_code")
    assert NOTHING_NEW in warehouse.build()


def test_after_other_commands_nothing_is_new(warehouse):
    warehouse.dbt("test", "--select", "dim_study")
    warehouse.dbt("compile", "--select", "dim_study")
    assert warehouse.loader("ingest", warehouse.folder / "none").exit_code == 1
    assert NOTHING_NEW in warehouse.build()


def test_a_run_says_so(warehouse):
    folder = Study("GSE1", samples=[f"S1{c}" for c in "abc"]).write(warehouse.folder / "same")
    assert warehouse.loader("run", folder).exit_code == 0
    result = warehouse.loader("run", folder)
    assert result.exit_code == 0
    assert '"step": "unchanged"' in result.stdout
