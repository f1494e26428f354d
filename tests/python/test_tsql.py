"""T-SQL without a server: every model, test and operation is compiled for SQL Server, as a first build and
as a later one, and linted by sqlfluff with the rules of .sqlfluff; contracts, indexes and partitions are
checked as the adapter takes them.

test_tsql_parser.py parses the same files with Microsoft's parser, test_tsql_binder.py resolves their names.
The table in CONTRIBUTING.md says what each of them covers.
"""

import functools
import gc
import re
from pathlib import Path

import pytest
import sqlglot
from compiled_tsql import (
    OFFLINE,
    OPERATIONS,
    compile_inline,
    compiled_operations,
    compiled_project,
    dbt,
    project_nodes,
    sql_files,
    table_ddl,
)
from conftest import PROJECT
from dbt.adapters.sqlserver.relation_configs import SQLServerIndexConfig
from sqlfluff.core import FluffConfig, Linter
from sqlglot import exp


@pytest.fixture(scope="module", params=["full", "incremental"])
def compiled(request, tmp_path_factory) -> dict[str, str]:
    """File -> SQL, of a first build and of a later one."""
    return sql_files(compiled_project(tmp_path_factory, build=request.param))


@pytest.fixture(scope="module")
def operations(tmp_path_factory) -> dict[str, str]:
    return compiled_operations(tmp_path_factory)


LINTER = Linter(FluffConfig.from_path(str(PROJECT)))


@functools.cache
def violations(sql: str, is_ours: bool) -> list[str]:
    """sqlfluff's findings; in SQL that dbt itself writes, only syntax errors. Cached, since most files are
    the same for a first and a later build."""
    # The parser's objects live until the end: looking for garbage takes a quarter of the time.
    gc.disable()
    found = LINTER.lint_string(sql).get_violations()
    gc.enable()
    return [
        f"{v.rule_code()} line {v.line_no}: {v.desc()}"
        for v in found
        if is_ours or v.rule_code() == "PRS"
    ]


def test_every_model_and_test_is_clean_tsql(compiled):
    models = {path.stem for path in (PROJECT / "models").rglob("*.sql")}
    singular_tests = {path.stem for path in (PROJECT / "tests" / "dbt").glob("*.sql")}
    assert models | singular_tests <= {Path(name).stem for name in compiled}
    ours = {
        name: sql for name, sql in compiled.items() if Path(name).stem in models | singular_tests
    }
    found = {name: violations(sql, is_ours=True) for name, sql in ours.items()}
    assert {name: what for name, what in found.items() if what} == {}


def test_no_duckdb_only_sql_is_left(compiled):
    """Words of DuckDB that are unknown to T-SQL, though a lenient parser accepts them."""
    words = (
        "json_extract",
        "json_each",
        "instr(",
        "log2(",
        "stddev_samp",
        " lateral ",
        "::",
        "now()",
        "boolean",
    )
    for name, sql in compiled.items():
        assert [word for word in words if word in sql.lower()] == [], name


# sqlfluff knows no BACKUP; test_tsql_parser.py parses it.
@pytest.mark.parametrize("name", sorted(OPERATIONS.keys() - {"backup_database"}))
def test_every_operation_is_clean_tsql(operations, name):
    assert operations[name].strip()
    assert violations(operations[name], is_ours=True) == []


def test_a_macro_without_an_implementation_stops_the_compiler(tmp_path):
    """An engine for which a macro is missing gets an error, never the SQL of another engine."""
    call = "{{ adapter.dispatch('no_such_function', 'expression_warehouse')() }}"
    with pytest.raises(AssertionError, match="no_such_function"):
        compile_inline(tmp_path, call)


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, dict]:
    """The models as dbt knows them for SQL Server."""
    nodes = project_nodes(compiled_project(tmp_path_factory))
    return {node["name"]: node for node in nodes if node["resource_type"] == "model"}


def test_every_index_is_one_that_the_adapter_takes(models):
    """The adapter reads them when it builds a table; this test needs no build."""
    indexes = {
        name: [SQLServerIndexConfig.parse(raw) for raw in model["config"].get("indexes") or []]
        for name, model in models.items()
    }
    (active,) = indexes["study_disease_map"]
    assert (active.unique, active.where) == (True, "is_active = 1")
    (covering,) = indexes["fact_gene_expression"]
    assert covering.columns == ("gene_key", "study_key")
    assert covering.included_columns == {"expression_value"}
    (best, _) = indexes["fact_gene_pair_metrics"]
    assert (best.columns, best.descending_columns) == (("new_rank_score",), {"new_rank_score"})


def test_every_public_model_has_a_contract(models):
    layers = {"dim", "fact", "meta", "analytics"}
    public = {name for name, model in models.items() if model["config"]["access"] == "public"}
    assert public == {name for name, model in models.items() if model["fqn"][1] in layers}
    for name in public:
        assert models[name]["contract"]["enforced"], name
        assert [c["name"] for c in models[name]["columns"].values() if not c["data_type"]] == [], (
            name
        )


def test_tables_of_contracts_are_clean_tsql(models):
    tables = table_ddl(models.values())
    assert len(tables) == 23
    for name, sql in tables.items():
        assert violations(sql, is_ours=False) == [], name


def test_constraints_have_a_name_that_says_what_they_are(models):
    """SQL Server scopes names by schema, and its messages contain only the name."""
    kinds = {"pk": "primary_key", "uq": "unique", "fk": "foreign_key", "ck": "check"}
    for name, model in models.items():
        for constraint in model["constraints"]:
            assert constraint["name"].split(f"_{name}")[0] in kinds, constraint
            assert kinds[constraint["name"][:2]] == constraint["type"], constraint
            assert f"`{constraint['name']}`" in model["description"], constraint
    for name in models:
        if models[name]["fqn"][1] == "dim":
            kinds_of_model = {constraint["type"] for constraint in models[name]["constraints"]}
            assert "primary_key" in kinds_of_model, name


def test_an_interrupted_first_build_is_resumed(models):
    """The adapter marks a table that it fills in place until the table is full, and refuses to build a
    marked one. Tables with post-hooks are filled in place: otherwise the adapter commits the rows of a
    first build before the hooks run."""
    kept = [
        model["config"]
        for model in models.values()
        if model["config"]["materialized"] == "incremental"
        and model["config"]["full_refresh"] is False
    ]
    in_place = [config for config in kept if config.get("full_refresh_build") == "prebuilt"]
    assert len(in_place) == 2
    for config in in_place:
        inside = [hook["sql"] for hook in config["pre-hook"] if hook["transaction"]]
        assert "take_up_f" in inside[0], "before rows are removed"
    for config in kept:
        hooks = [hook for hook in config["post-hook"] if hook["transaction"]]
        assert not hooks or config in in_place


def test_partitions_are_made_on_request(tmp_path):
    """The table is made on them, and the hook adds one per study."""
    sql = "create table t (study_key int){{ study_partitions('study_key') }};\n{{ add_study_partitions() }}"
    with_them = compile_inline(tmp_path, sql, "--vars", "{partition_by_study: true}")
    assert "create table t (study_key int) on partitions_by_study (study_key);" in with_them
    assert "split range" in with_them
    without = compile_inline(tmp_path, sql)
    assert "create table t (study_key int);" in without
    assert "partition" not in without


def test_only_the_expression_fact_has_partitions(models):
    columns = {
        name: model["config"]["meta"].get("partition_column") for name, model in models.items()
    }
    assert {name: column for name, column in columns.items() if column} == {
        "fact_gene_expression": "study_key"
    }


def test_builds_at_the_same_time_have_intermediate_tables_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setenv("EXPRESSION_BUILD_SLOT", "_2")
    dbt(tmp_path, "compile", *OFFLINE, "--select", "fact_gene_pair_metrics")
    sql = sql_files(tmp_path)["models/fact/fact_gene_pair_metrics.sql"]
    assert '"staging"."int_slice_2"' in sql
    assert '"staging"."int_study_pair_cohort_2"' in sql
    assert '"dim"."dim_gene_pair"' in sql


def test_products_of_counts_are_bigint(compiled):
    """T-SQL's count(*) is an int: a number of pairs overflows from 46,342 genes."""
    for name, sql in compiled.items():
        assert not re.search(r"count\(\*\)\s*\*", sql), name
    pairs = compiled["models/analytics/tbl_gene_pairs_materialized.sql"]
    assert "cast(count(*) as bigint) * (count(*) - 1) / 2 as pairs_tested" in pairs


def test_a_select_has_one_sorted_list(compiled):
    """SQL Server refuses a second one with message 8711, which no parser knows."""
    lists = {}
    for name, sql in compiled.items():
        if "within group" in sql:
            (tree,) = sqlglot.parse(sql, read="tsql")
            lists[name] = [id(found.parent_select) for found in tree.find_all(exp.GroupConcat)]
    assert all(lists.values())
    assert [name for name, selects in lists.items() if len(set(selects)) < len(selects)] == []


def test_functions_with_a_domain_are_safe_by_themselves(compiled):
    """SQL Server may compute them before a condition leaves a row out."""
    (rule,) = sqlglot.parse(compiled["models/validation/rule_study_fits_slice.sql"], read="tsql")
    roots = list(rule.find_all(exp.Sqrt))
    assert roots
    assert [root.sql() for root in roots if not root.find_ancestor(exp.Case)] == []
    for name in (
        "models/intermediate/int_compared_value.sql",
        "models/meta/meta_compared_gene.sql",
    ):
        logarithms = re.findall(r"log10\(.{11}", compiled[name])
        assert set(logarithms) == {"log10(abs(nullif("}, name


def test_phrases_are_searched_byte_by_byte(compiled):
    labels = compiled["models/staging/stg_sample_illness.sql"]
    (tree,) = sqlglot.parse(labels, read="tsql")
    searches = list(tree.find_all(exp.StrPosition))
    assert searches
    assert [found.sql() for found in searches if not found.find(exp.Collate)] == []


@pytest.mark.parametrize("name", ["put_rank_scores", "put_ranking", "put_reviews"])
def test_scores_are_joined_to_the_pairs(operations, name):
    """SQL Server may compute a subquery in `set` once per row."""
    (update,) = sqlglot.parse(operations[name], read="tsql")
    assert [found.sql() for found in update.expressions if found.find(exp.Select)] == []


@pytest.mark.parametrize("name", ["remove_replaced_slices", "remove_replaced_features"])
def test_rows_are_removed_by_one_condition_at_a_time(operations, name):
    """With `or` between two of them, SQL Server may compute what they look up once per row."""
    for statement in sqlglot.parse(operations[name], read="tsql"):
        assert statement is None or not statement.find(exp.Or), statement.sql()


def test_engines_differ_only_in_the_dialect():
    """An implementation for one engine stands in macros/dialect, and no macro calls it by name."""
    for folder in ("macros", "models", "tests/dbt"):
        for path in (PROJECT / folder).rglob("*.sql"):
            if "dialect" not in path.parts:
                found = re.findall(r"\b(?:default|duckdb|sqlserver|fabric)__\w+", path.read_text())
                assert found == [], path
