"""A table, view or seed that somebody dropped by hand: the next `dbt build` makes it again as it was, or says
that it cannot."""

import pytest
from conftest import Study
from test_current_build import NOTHING_NEW
from warehouses import four_studies

# Times and ids of the build that wrote a row.
OF_BUILDS = {"etl_created_date", "etl_updated_date", "collected_at", "feature_run_id", "batch_id"}


def contents(warehouse, table):
    """Rows, with floats to 9 digits and what is 0 but for rounding as 0, since sums can run in another
    order."""
    schema, name = table.split(".")
    columns = warehouse.query(
        f"select column_name from information_schema.columns where table_schema = '{schema}'"
        f" and table_name = '{name}' order by ordinal_position"
    )
    named = [column for (column,) in columns if column not in OF_BUILDS]
    rows = warehouse.query(f"select {', '.join(named)} from {table}")
    return sorted(
        repr([_rounded(value) if isinstance(value, float) else value for value in row])
        for row in rows
    )


def _rounded(value):
    return 0.0 if abs(value) < 1e-14 else float(f"{value:.9g}")


@pytest.mark.parametrize(
    "table",
    [
        "fact.fact_gene_pair_contrast",
        "meta.meta_study_qc",
        "meta.meta_study_likeness",
        pytest.param("fact.fact_gene_pair_cohort", marks=pytest.mark.long),
        pytest.param("fact.fact_gene_pair_metrics", marks=pytest.mark.long),
        pytest.param("fact.fact_gene_expression", marks=pytest.mark.long),
        pytest.param("fact.fact_feature_values", marks=pytest.mark.long),
        pytest.param("analytics.tbl_gene_pairs_materialized", marks=pytest.mark.long),
    ],
)
def test_a_table_is_computed_again(copy_of, tmp_path, table):
    warehouse = copy_of(four_studies, tmp_path)
    before = contents(warehouse, table)
    assert before
    warehouse.query_write(f"drop table {table}")
    output = warehouse.build()
    assert f"Missing from the warehouse, and made again: {table}" in output
    assert contents(warehouse, table) == before
    assert NOTHING_NEW in warehouse.build()


@pytest.mark.parametrize(
    "table",
    [
        "fact.fact_feature_values",
        pytest.param("fact.fact_gene_expression", marks=pytest.mark.long),
        pytest.param("meta.meta_study_qc", marks=pytest.mark.long),
    ],
)
def test_a_build_of_one_study_makes_no_table_of_its_rows_alone(copy_of, tmp_path, table):
    """No later build would add the rows of the others."""
    warehouse = copy_of(four_studies, tmp_path)
    count = f"select study_key, count(*) from {table} group by study_key order by study_key"
    before = warehouse.query(count)
    warehouse.query_write(f"drop table {table}")
    output = warehouse.build("--select", "study:GSE2", succeeds=False)
    assert f"54041 STUDY_SELECTION_INVALID: missing: {table}. " in output
    warehouse.build()
    assert warehouse.query(count) == before
    assert len(before) >= 4


def test_a_view_and_a_seed_are_made_again(copy_of, tmp_path):
    warehouse = copy_of(four_studies, tmp_path)
    warehouse.query_write("drop view analytics.vw_expression_long", "drop table seeds.watch_list")
    output = warehouse.build()
    made = "made again: analytics.vw_expression_long, seeds.watch_list"
    assert made in output
    assert NOTHING_NEW in warehouse.build()


@pytest.mark.parametrize(
    "table",
    [
        "dim.dim_gene",
        pytest.param("dim.dim_sample", marks=pytest.mark.long),
        pytest.param("dim.dim_study", marks=pytest.mark.long),
        pytest.param("dim.dim_gene_pair", marks=pytest.mark.long),
        pytest.param("dim.study_disease_map", marks=pytest.mark.long),
    ],
)
def test_keys_of_a_dimension_are_never_given_anew(copy_of, tmp_path, table):
    warehouse = copy_of(four_studies, tmp_path)
    assert warehouse.loader("ingest", Study("GSE5").write(tmp_path / "new")).exit_code == 0
    count = "select count(*) from fact.fact_gene_expression"
    before = warehouse.query(count)
    warehouse.query_write(f"alter table {table} rename to renamed_by_hand")
    for arguments in ((), ("--full-refresh",), ("--select", "study:GSE5")):
        output = warehouse.build(*arguments, succeeds=False)
        assert f"4018 LOAD_KEYS_LOST: missing: {table}. " in output
    assert warehouse.query(count) == before
    schema, name = table.split(".")
    warehouse.query_write(f"alter table {schema}.renamed_by_hand rename to {name}")
    warehouse.build()
    assert warehouse.query(count) > before


@pytest.mark.parametrize("command", ["run", "build"])
def test_an_empty_run_empties_nothing(copy_of, tmp_path, command):
    warehouse = copy_of(four_studies, tmp_path)
    tables = ("seeds.illness_rule", "dim.dim_sample", "staging.stg_sample")
    before = [contents(warehouse, table) for table in tables]
    assert "54030 CONFIG_INVALID: --empty " in warehouse.dbt(command, "--empty", succeeds=False)
    assert [contents(warehouse, table) for table in tables] == before
