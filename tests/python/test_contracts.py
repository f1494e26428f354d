"""Every constraint that a model's `.yml` declares stops what would break it: on SQL Server all of them, on
DuckDB all but foreign keys and the primary keys of the tables of pairs, which it does not have
(macros/dialect/contract.sql says why).

Without a server, test_tsql.py parses the tables' T-SQL; CONTRIBUTING.md says on what it was run.
"""

from collections.abc import Iterator

import pytest
import yaml
from conftest import PROJECT, TARGET, Study, WarehouseUnderTest
from test_twin import annotation, copy_of, study

# What breaks each check.
BROKEN = {
    "ck_dim_gene_position": "start_position = 2, end_position = 1",
    "ck_dim_gene_pair_order": "gene_a_key = gene_b_key, gene_b_key = gene_a_key",
    "ck_dim_platform_technology": "measurement_technology = 'PROTEOMICS'",
    "ck_dim_study_technology": "study_technology = 'PROTEOMICS'",
    "ck_study_disease_map_period": "is_active = 0",
    "ck_fact_duplicate_sample_order": "sample_key_1 = sample_key_2, sample_key_2 = sample_key_1",
    "ck_fact_gene_pair_metrics_technology": "technology = 'PROTEOMICS'",
    "ck_fact_gene_pair_metrics_source": "metrics_source = 'HEARSAY'",
    "ck_meta_study_qc_score": "data_quality_score = 100.5",
    "ck_tbl_gene_pairs_materialized_order": "gene_a_key = gene_b_key, gene_b_key = gene_a_key",
    "ck_tbl_gene_pairs_materialized_technology": "technology = 'PROTEOMICS'",
}
# Tables of which only tests check the key on DuckDB (assert_*_are_unique).
KEY_IS_TESTED = {
    "analytics.tbl_gene_pairs_materialized",
    "fact.fact_gene_pair_cohort",
    "fact.fact_gene_pair_contrast",
    "fact.fact_gene_pair_metrics",
}


def is_enforced(table: str, constraint: dict) -> bool:
    if TARGET != "duckdb":
        return True
    kind = constraint["type"]
    return kind != "foreign_key" and not (kind == "primary_key" and table in KEY_IS_TESTED)


def constraints() -> Iterator[tuple[str, str, dict]]:
    """Table, name and declaration of each constraint."""
    for path in sorted((PROJECT / "models").glob("*/*.yml")):
        for model in yaml.safe_load(path.read_text()).get("models", []):
            table = f"{path.parent.name}.{model['name']}"
            for constraint in model.get("constraints", []):
                yield table, constraint["name"], constraint
            for column in model["columns"]:
                for constraint in column.get("constraints", []):
                    name = f"{constraint['type']} {table}.{column['name']}"
                    yield table, name, {**constraint, "columns": [column["name"]]}


def column_types() -> Iterator[tuple[str, str]]:
    """Each column of a seed or model whose type a `.yml` declares, and the type."""
    for path in sorted([*PROJECT.glob("seeds/*.yml"), *PROJECT.glob("models/*/*.yml")]):
        content = yaml.safe_load(path.read_text())
        for seed in content.get("seeds", []):
            for name, kind in seed.get("config", {}).get("column_types", {}).items():
                yield f"{seed['name']}.{name}", kind
        for model in content.get("models", []):
            for column in model["columns"]:
                yield f"{model['name']}.{column['name']}", column.get("data_type", "")


def test_numbers_are_as_precise_on_both_engines():
    """A bare `float` has 53 bits in T-SQL and 24 on DuckDB, where 0.9 is then 0.89999998."""
    types = dict(column_types())
    assert types["unit.detection_floor"] == types["dim_sample.sample_time"] == "float(53)"
    assert not [name for name, kind in types.items() if kind in ("float", "real")]


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> WarehouseUnderTest:
    """Two studies on two platforms, with all their gene pairs, a copy of two samples, and a study of symbols."""
    folder = tmp_path_factory.mktemp("contracts")
    warehouse = WarehouseUnderTest(folder)
    config = folder / "pipeline.yaml"
    config.write_text(
        "studies: {GSE1: {disease: SEPSIS}, GSE2: {disease: SEPSIS}, GSE3: {disease: SEPSIS}}\n"
    )
    study("GSE1", 1).write(folder / "downloads" / "GSE1")
    study("GSE2", 2, platform="Array Two (GPL2)").write(folder / "downloads" / "GSE2")
    copy_of(study("GSE1", 1), "GSE3").write(folder / "downloads" / "GSE3")
    Study("GSE4", genes=["TP53", "CD86"]).write(folder / "downloads" / "GSE4")
    result = warehouse.loader("ingest", folder / "downloads", "--config", config)
    assert result.exit_code == 0, result.stdout
    warehouse.annotate(*annotation(10))
    warehouse.build()
    return warehouse


def change_that_breaks(table: str, name: str, constraint: dict) -> str:
    if constraint["type"] == "check":
        return BROKEN[name]
    if constraint["type"] == "not_null":
        return f"{constraint['columns'][0]} = null"
    if constraint["type"] == "foreign_key":
        return f"{constraint['columns'][0]} = 1000000"
    return ", ".join(
        f"{column} = (select min({column}) from {table})" for column in constraint["columns"]
    )


def refusal(name: str, constraint: dict) -> str:
    """What the engine says; SQL Server names the constraint."""
    if constraint["type"] == "not_null":
        return "NOT NULL constraint" if TARGET == "duckdb" else "value NULL"
    if TARGET != "duckdb":
        return f"[\"']{name}[\"']"
    return "CHECK constraint" if constraint["type"] == "check" else "duplicate key"


@pytest.mark.parametrize(
    ("table", "name", "constraint"),
    [
        pytest.param(*found, id=found[1])
        for found in constraints()
        if is_enforced(found[0], found[2])
    ],
)
def test_constraint_is_enforced(built, table, name, constraint):
    assert built.query(f"select count(*) from {table}")[0][0] > 1
    with pytest.raises(Exception, match=refusal(name, constraint)):
        built.query_write(f"update {table} set {change_that_breaks(table, name, constraint)}")
