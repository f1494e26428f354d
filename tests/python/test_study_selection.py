"""`--select study:ACC` through dbt, in this process and as the real command."""

import duckdb
import pytest
from conftest import Study


def staged(warehouse, _shared_data):
    """All relations without a row, and two studies ingested."""
    warehouse.build()
    for number in (1, 2):
        study = Study(f"GSE{number}", samples=[f"S{number}{c}" for c in "abc"])
        folder = study.write(warehouse.folder / str(number))
        assert warehouse.loader("ingest", folder).exit_code == 0


def first_built(warehouse, shared_data):
    staged(warehouse, shared_data)
    warehouse.build("--select", "study:GSE1")


@pytest.fixture
def two_studies(copy_of, tmp_path):
    return copy_of(staged, tmp_path)


def built(warehouse):
    return [
        row[0]
        for row in warehouse.query("select study_accession_code from dim.dim_study order by 1")
    ]


@pytest.mark.parametrize(
    ("selection", "studies"),
    [
        (["study:GSE2"], ["GSE2"]),
        (["study:GSE1", "study:GSE2"], ["GSE1", "GSE2"]),
        (["+study:GSE2+"], ["GSE2"]),
        pytest.param(["study:GSE1 study:GSE2"], ["GSE1", "GSE2"], marks=pytest.mark.long),
        pytest.param(["@study:GSE2"], ["GSE2"], marks=pytest.mark.long),
    ],
)
def test_it_builds_the_studies_named(two_studies, selection, studies):
    two_studies.build("--select", *selection)
    assert built(two_studies) == studies


def test_the_real_command_knows_it(two_studies):
    """Within this process the plugin could be there for another reason."""
    exit_code, output = two_studies.dbt_command(
        "build", "--resource-type", "model", "--select", "study:GSE2,+dim_study"
    )
    assert exit_code == 0, output
    assert built(two_studies) == ["GSE2"]
    exit_code, output = two_studies.dbt_command("build", "--select", "study:GSE*")
    assert exit_code == 2
    assert "54041 STUDY_SELECTION_INVALID" in output


@pytest.fixture
def first_of_two(copy_of, tmp_path):
    return copy_of(first_built, tmp_path)


def test_an_intersection_takes_some_nodes_for_the_study(first_of_two):
    output = first_of_two.dbt("run", "--select", "study:GSE2,path:models/dim")
    assert "fact_gene_expression" not in output
    assert built(first_of_two) == ["GSE1", "GSE2"]
    assert first_of_two.query("select count(*) from fact.fact_gene_expression") == [(6,)]


def test_it_works_with_run_test_and_ls(first_of_two):
    first_of_two.dbt("run", "--select", "study:GSE2")
    assert built(first_of_two) == ["GSE1", "GSE2"]
    first_of_two.dbt("test", "--select", "study:GSE2,fact_gene_expression")
    assert "fact_gene_expression" in first_of_two.dbt("ls", "--select", "study:GSE1")


def test_retry_keeps_to_the_study(two_studies):
    """A build that fails in the middle is finished for the same study by `dbt retry`."""

    def set_snapshot(text):
        with duckdb.connect(str(two_studies.path)) as connection:
            connection.execute("update staging.batch set config_snapshot = ?", [text])

    ((snapshot,),) = two_studies.query("select distinct config_snapshot from staging.batch")
    two_studies.dbt("seed")
    set_snapshot("this is not JSON")
    two_studies.dbt("run", "--select", "study:GSE2", succeeds=False)
    set_snapshot(snapshot)
    two_studies.dbt("retry")
    assert built(two_studies) == ["GSE2"]
    assert two_studies.query("select count(*) from fact.fact_gene_expression") == [(6,)]


@pytest.mark.parametrize("selection", ["study:a;drop", "study:'x'", "study:GSE*"])
def test_what_is_no_accession_is_refused(two_studies, selection):
    output = two_studies.dbt("build", "--select", selection, succeeds=False)
    assert "54041 STUDY_SELECTION_INVALID" in output


@pytest.mark.parametrize(
    "selection", ["study:GSE1,GSE2", "GSE2,study:GSE1", "study:GSE1,GSE2,GSE3"]
)
def test_studies_separated_by_commas_are_refused(two_studies, selection):
    output = two_studies.dbt("build", "--select", selection, succeeds=False)
    assert "54041 STUDY_SELECTION_INVALID" in output
    assert "separated by blanks: study:GSE1 study:GSE2" in output


@pytest.mark.parametrize("other", ["tag:x", "dim_study", "staging", "path:models/dim", "dim_*"])
def test_intersections_with_nodes_stay(two_studies, other):
    assert "54041" not in two_studies.dbt("ls", "--select", f"study:GSE1,{other}")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--exclude", "study:GSE1"),
        ("--select", "study:GSE1", "--exclude", "study:GSE2"),
        ("--select", "study.x:GSE1"),
    ],
)
def test_other_places_of_the_method_are_refused(two_studies, arguments):
    assert "54041 STUDY_SELECTION_INVALID" in two_studies.dbt("build", *arguments, succeeds=False)


def test_full_refresh_is_refused(two_studies):
    output = two_studies.dbt("build", "--full-refresh", "--select", "study:GSE1", succeeds=False)
    assert "54041 STUDY_SELECTION_INVALID" in output


def test_a_sample_of_two_studies_is_kept_by_the_one_that_brings_it(warehouse, tmp_path):
    """GSE2 is built alone first; GSE1, which shares a sample, must not lose or take it."""
    for number, samples in ((1, ["GSM9", "A", "B"]), (2, ["GSM9", "C", "D"])):
        study = Study(f"GSE{number}", samples=samples)
        assert warehouse.loader("ingest", study.write(tmp_path / str(number))).exit_code == 0
    owner = (
        "select study_accession_code from dim.dim_sample inner join dim.dim_study using (study_key)"
        " where sample_accession_code = 'GSM9'"
    )
    for selection in ("study:GSE2,+fact_gene_expression", "study:GSE1,+fact_gene_expression"):
        warehouse.build("--select", selection)
        assert warehouse.query(owner) == [("GSE2",)]
    warehouse.build_expression()
    assert warehouse.query(owner) == [("GSE2",)]
    assert warehouse.query(
        "select study_accession_code, count(*) from fact.fact_gene_expression"
        " inner join dim.dim_study using (study_key) group by all order by 1"
    ) == [("GSE1", 6), ("GSE2", 6)]
    assert warehouse.query("select distinct status from staging.batch") == [("LOADED",)]


def test_rows_that_are_lost_are_reported_and_loaded_anew(warehouse, tmp_path):
    """A batch counts as LOADED only while all its values are in the fact."""
    assert warehouse.loader("ingest", Study().write(tmp_path / "d")).exit_code == 0
    warehouse.build_expression()
    with duckdb.connect(str(warehouse.path)) as connection:
        connection.execute("delete from fact.fact_gene_expression where expression_value_raw = 2")
    selection = ["+int_target_finding", "4005_LOAD_RECONCILIATION_FAILED", "validation_finding"]
    no_others = ("--indirect-selection", "empty")
    said = warehouse.dbt("build", "--select", *selection, *no_others, succeeds=False)
    assert "Failure in test 4005" in said, said
    with duckdb.connect(str(warehouse.path)) as connection:
        connection.execute("update staging.batch set status = 'STAGED'")
    warehouse.build_expression()
    assert warehouse.query("select count(*) from fact.fact_gene_expression") == [(6,)]
