"""Every name in the compiled T-SQL is resolved with the binder of SQL Server Management Studio: tables,
columns, functions, variables, procedures, and numbers of arguments. tsql_binder.py says what the binder is
and what it does not look at.

The tables and columns are those that the `.yml` files declare. A test holds the declarations against the
models' SQL and the `create table` statements, so that a wrong one cannot hide a wrong name.
"""

import csv

import pytest
import tsql_binder
from compiled_tsql import compiled_operations, compiled_project, project_nodes, sql_files
from conftest import PROJECT
from tsql_binder import Tables, bind

if not (tsql_binder.FOLDER / ".complete").exists():
    pytest.skip(
        "`make test-tsql` fetches Microsoft's binder, for Linux on x86-64",
        allow_module_level=True,
    )

PAIR_METRICS = "full/models/fact/fact_gene_pair_metrics.sql"
LOCK = "operations/lock_keys.sql"
LOG = "operations/log_run_started.sql"

# What is planted, in which file: old text, new text, the binder's message.
DEFECTS = {
    "column": (PAIR_METRICS, "c.pairs_tested", "c.pairs", "Invalid column name 'pairs'."),
    "table": (PAIR_METRICS, '"int_slice"', '"int_slices"', "Invalid object name"),
    "alias": (PAIR_METRICS, "s.disease_key", "d.disease_key", '"d.disease_key" could not be bound'),
    "function": (PAIR_METRICS, "sqrt(", "square_root(", "'square_root' is not a recognized"),
    "too many arguments": (PAIR_METRICS, "sqrt(", "sqrt(2, ", "sqrt function requires 1 argument"),
    "too few arguments": (
        "full/tests/dbt/assert_features_are_catalogued.sql",
        "where",
        "where round(1) = 1 and",
        "round function requires 2 to 3 arguments",
    ),
    "column of a test": (
        "full/tests/dbt/assert_pair_metrics_are_in_range.sql",
        "technology",
        "platform",
        "Invalid column name 'platform'.",
    ),
    "column of an operation": (LOG, "started_at", "start", "Invalid column name 'start'."),
    "column of a hook": (
        "full/dbt_project.yml/hooks/expression_warehouse-on-run-end-0.sql",
        "b.loaded_at",
        "b.loading_time",
        "Invalid column name 'loading_time'.",
    ),
    "variable": (
        LOCK,
        "declare @granted",
        "declare @lock",
        'declare the scalar variable "@granted"',
    ),
    "parameter": (LOCK, "@LockMode", "@Mode", "@Mode is not a parameter"),
    "procedure": (LOCK, "sp_getapplock", "sp_getlock", "find stored procedure 'sp_getlock'"),
}


@pytest.fixture(scope="module")
def nodes(tmp_path_factory) -> list[dict]:
    """All models, seeds and sources, as dbt knows them for SQL Server."""
    found = project_nodes(compiled_project(tmp_path_factory))
    return [node for node in found if node["resource_type"] in ("model", "seed", "source")]


def table_name(node: dict) -> str:
    return node["identifier"] if node["resource_type"] == "source" else node["alias"]


def columns(node: dict) -> list[str]:
    if node["resource_type"] != "seed":
        return list(node["columns"])
    with (PROJECT / node["original_file_path"]).open(newline="", encoding="utf-8") as lines:
        return next(csv.reader(lines))


@pytest.fixture(scope="module")
def tables(nodes) -> Tables:
    found: Tables = {}
    for node in nodes:
        found.setdefault(node["schema"], {})[table_name(node)] = columns(node)
    return found


@pytest.fixture(scope="module")
def scripts(tmp_path_factory) -> dict[str, str]:
    """File -> SQL: models, tests and hooks (as a first and as a later build), operations."""
    operations = compiled_operations(tmp_path_factory)
    return {f"operations/{name}.sql": sql for name, sql in operations.items()} | {
        f"{build}/{name}": sql
        for build in ("full", "incremental")
        for name, sql in sql_files(compiled_project(tmp_path_factory, build=build)).items()
    }


def test_every_name_is_known(tables, scripts):
    assert bind(tables, scripts) == {}


def test_every_kind_of_wrong_name_is_found(tables, scripts):
    broken = {}
    for what, (file, old, new, _) in DEFECTS.items():
        assert old in scripts[file], (what, file)
        broken[what] = scripts[file].replace(old, new, 1)
    found = bind(tables, broken)
    missed = {
        what: found.get(what)
        for what, (*_, message) in DEFECTS.items()
        if not any(message in line for line in found.get(what, []))
    }
    assert missed == {}


def select_declared(node: dict, table: str, *more: str) -> str:
    return f"select {', '.join([*columns(node), *more])} from {table};"


def test_models_select_the_columns_that_they_declare(nodes, tables, tmp_path_factory):
    sql = sql_files(compiled_project(tmp_path_factory))
    models = [node for node in nodes if node["resource_type"] == "model"]
    views = {
        model["name"]: f"create view dbo.made as\n{sql['models/' + model['path']]}\ngo\n"
        for model in models
    }
    scripts = {m["name"]: views[m["name"]] + select_declared(m, "dbo.made") for m in models}
    assert bind(tables, scripts) == {}
    broken = {
        m["name"]: views[m["name"]] + select_declared(m, "dbo.made", "no_such") for m in models
    }
    found = bind(tables, broken)
    assert [
        name for name in views if "Invalid column name 'no_such'." not in str(found.get(name))
    ] == []


def test_staging_and_log_tables_have_the_columns_that_are_declared(nodes, scripts):
    ddl = (
        scripts["operations/create_staging.sql"] + "\ngo\n" + scripts["operations/create_meta.sql"]
    )
    sources = [node for node in nodes if node["resource_type"] == "source"]
    made = {
        f"{source['schema']}.{table_name(source)}{more}": "\n".join(
            [ddl, "go", select_declared(source, f"{source['schema']}.{table_name(source)}", *more)]
        )
        for source in sources
        for more in ([], ["no_such"])
    }
    found = bind({"analytics": {}, "meta": {}, "staging": {}}, made)
    assert found.keys() == {name for name in made if name.endswith("['no_such']")}
    assert all(len(lines) == 1 and "'no_such'" in lines[0] for lines in found.values())
