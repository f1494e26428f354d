"""What a build says at its end, and the tables that it can keep to look into a computation."""

import re

import pytest
from conftest import PROJECT, WarehouseUnderTest
from test_twin import study

INTERMEDIATE = (
    "int_compared_value", "int_slice", "int_slice_value", "int_study_pair_cohort", "int_pair_contrast",
)  # fmt: skip

# Steps that are never a run by themselves.
PARTS = {"find_study", "stage_study", "annotation_load"}


def test_each_logged_command_is_a_run():
    code = "".join(
        path.read_text()
        for folder in ("loader", "expression_warehouse", "macros")
        for path in (PROJECT / folder).rglob("*.*")
        if path.suffix in (".py", ".sql")
    )
    steps = set(re.findall(r"""(?:\bStep|log\.step|log_operation)\(\s*["']([^"']+)""", code))
    assert {"annotation update", "ingest", "release_batch", *PARTS} <= steps
    runs = (PROJECT / "models/meta/vw_run.sql").read_text().splitlines()[0]
    assert {step for step in steps - PARTS if f"'{step}'" not in runs} == set()


@pytest.fixture(scope="module")
def staged(tmp_path_factory) -> WarehouseUnderTest:
    """Five studies of one slice; in four of them, five titles have no illness."""
    folder = tmp_path_factory.mktemp("run_report")
    warehouse = WarehouseUnderTest(folder)
    numbers = range(1, 6)
    config = folder / "pipeline.yaml"
    config.write_text(
        "studies: {" + ", ".join(f"GSE{n}: {{disease: SEPSIS}}" for n in numbers) + "}\n"
    )
    for number in numbers:
        written = study(f"GSE{number}", number)
        if number > 1:
            written.titles[:5] = ["whole blood"] * 5
        written.write(folder / "downloads" / f"GSE{number}")
    result = warehouse.loader("ingest", folder / "downloads", "--config", config)
    assert result.exit_code == 0, result.stdout
    return warehouse


@pytest.fixture(scope="module")
def kept(staged) -> str:
    return staged.build("--vars", "keep_intermediate: true")


def row_counts(warehouse) -> set[bool]:
    return {
        warehouse.query(f"select count(*) from staging.{name}")[0][0] > 0 for name in INTERMEDIATE
    }


def test_a_var_keeps_the_intermediate_tables(staged, kept):
    assert row_counts(staged) == {True}
    staged.build()
    assert row_counts(staged) == {False}


def test_it_names_slices_and_their_pairs(staged, kept):
    ((pairs, technology),) = staged.query(
        "select count(distinct pair_key), min(technology) from fact.fact_gene_pair_contrast"
        " where is_eligible = 1"
    )
    assert pairs > 0
    assert f"SEPSIS {technology} HOMO_SAPIENS: {pairs:,} gene pairs tested in 5 studies" in kept


def test_it_names_the_studies_of_findings_and_where_to_read_them(staged, kept):
    said = re.search(
        r"Warning 3001 TRANSFORMATION_ILLNESS_INFERENCE_FAILED: (.*)$", kept, re.MULTILINE
    )
    assert said[1] == "GSE2, GSE3, GSE4 and 1 more"
    query = re.search(r"Details: (select .*)$", kept, re.MULTILINE)[1]
    found = staged.query(query.replace("*", "distinct study_accession_code"))
    assert {"GSE2", "GSE3", "GSE4", "GSE5"} <= {accession for (accession,) in found}
