"""Rights of the roles on SQL Server: what is granted, and on a server, what a member of each can do."""

import re

import pytest
from compiled_tsql import compiled_operations
from conftest import TARGET

from expression_warehouse.core.warehouse.macros import project_macros

SCHEMAS = {"staging", "seeds", "dim", "fact", "analytics", "meta", "validation"}


@pytest.fixture(scope="module")
def statements(tmp_path_factory) -> list[str]:
    text = compiled_operations(tmp_path_factory)["create_roles"]
    return [statement.strip() for statement in text.split(";") if statement.strip()]


def rights(statements: list[str], role: str) -> set[str]:
    """What is granted to a role; a right that it is denied begins with `deny`."""
    found = (re.fullmatch(rf"(?:grant )?(.+) to {role}", statement) for statement in statements)
    return {match[1] for match in found if match and "authorization" not in match[1]}


def test_a_loader_changes_staging_alone_and_adds_to_the_logs(statements):
    assert rights(statements, "etl_loader") == {
        "create table",
        "insert, update, delete on schema::staging",
        "insert, update, delete on object::meta.meta_etl_process_log",
        "insert on object::meta.meta_data_validation_log",
        "insert, update on object::meta.meta_feature_run",
        "insert on object::analytics.llm_reviews",
        *(f"select on schema::{schema}" for schema in SCHEMAS),
    }


def test_a_reader_sees_no_text_of_pipeline_yaml(statements):
    assert rights(statements, "etl_reader") == {
        *(f"select on schema::{schema}" for schema in ("dim", "fact", "analytics", "meta")),
        "deny select (context_json) on object::meta.meta_etl_process_log",
    }


def test_a_change_of_owner_comes_before_the_grants(statements):
    """It takes back what was granted on the schema before."""
    owners = {
        number: re.search(r"alter authorization on schema::(\w+) to (\w+)", statement)
        for number, statement in enumerate(statements)
        if "alter authorization" in statement
    }
    assert {match[1]: match[2] for match in owners.values()} == {
        **dict.fromkeys(SCHEMAS, "etl_builder"),
        "loading": "etl_loader",
    }
    first_grant = min(
        number for number, text in enumerate(statements) if text.startswith(("grant", "deny"))
    )
    assert max(owners) < first_grant


def test_heaps_are_in_the_schema_that_loaders_own():
    from expression_warehouse.core.warehouse.sqlserver import _heap_name

    assert _heap_name(project_macros("sqlserver"), "rows_1") == "loading.rows_1"


STEP = "insert into meta.meta_etl_process_log (run_id, step, status, attempt, started_at) values ('r', '{0}', '{0}', 1, sysutcdatetime())"

# Statements after a build, and who may run them.
ALLOWED = {
    "delete from staging.batch": {"loader", "builder"},
    "select gene_id into loading.heap from staging.expression_rows where 1 = 0": {"loader", "builder"},
    "select gene_id into staging.heap from staging.expression_rows where 1 = 0": {"builder"},
    "create view loading.seen as select 1 as one": {"builder"},
    "create trigger staging.fires on staging.batch after insert as delete from fact.fact_gene_expression": {"builder"},
    "delete from fact.fact_gene_expression": {"builder"},
    "drop table fact.fact_gene_expression": {"builder"},
    "alter table meta.meta_data_validation_log add more int null": {"builder"},
    "update analytics.llm_reviews set verdict = 'x'": {"builder"},
    "delete from meta.meta_data_validation_log": {"builder"},
    "drop trigger meta.keep_ended_steps": {"builder"},
    STEP.format("RUNNING"): {"loader", "builder"},
    "update meta.meta_etl_process_log set status = 'FAILED' where status = 'RUNNING'": {"loader", "builder"},
    "delete from meta.meta_etl_process_log where status = 'SUCCESS'": {"builder"},
    "update meta.meta_etl_process_log set error_message = 'x' where status = 'SUCCESS'": {"builder"},
    "select count(*) from dim.dim_gene": {"reader", "loader", "builder"},
    "select status from meta.meta_etl_process_log": {"reader", "loader", "builder"},
    "select * from meta.vw_quarantine": {"reader", "loader", "builder"},
    "select context_json from meta.meta_etl_process_log": {"loader", "builder"},
    "select config_snapshot from staging.batch": {"loader", "builder"},
}  # fmt: skip


@pytest.mark.skipif(TARGET != "sqlserver", reason="DuckDB has no roles")
def test_what_members_can_do(warehouse, tmp_path):
    import pyodbc
    from conftest import Study

    assert warehouse.loader("ingest", Study().write(tmp_path / "d")).exit_code == 0
    warehouse.build_expression("vw_quarantine")
    for _ in range(2):
        warehouse.dbt("run-operation", "create_roles")
    server = warehouse._server
    server.execute(STEP.format("SUCCESS"))
    done = set()
    for role in ("reader", "loader", "builder"):
        server.execute(
            f"create user a_{role} without login; alter role etl_{role} add member a_{role}"
        )
        for statement in ALLOWED:
            server.execute("begin transaction; " + STEP.format("RUNNING"))
            server.execute(f"execute as user = 'a_{role}'")
            try:
                server.execute(statement)
                done.add((statement, role))
            except pyodbc.Error:
                pass
            finally:
                server.execute("while @@trancount > 0 rollback")
                server.execute("revert")
    assert done == {(statement, role) for statement, roles in ALLOWED.items() for role in roles}
