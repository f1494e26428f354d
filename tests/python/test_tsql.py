"""T-SQL without a server: every model, test and operation is compiled for SQL Server, as a first
build and as a later one, then parsed and linted by sqlfluff with the rules of .sqlfluff.

What is not run here: the T-SQL itself. On Babelfish 4.3 (PostgreSQL behind T-SQL and TDS) the macros'
T-SQL and `dbt build` were run and compared with metafor, scipy and DuckDB; CONTRIBUTING.md has the
figures, and what that engine lacks: merge, UNPIVOT, columnstore and hashbytes' hexadecimal style.
"""

import functools
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PROJECT
from dbt.adapters.sqlserver.relation_configs import SQLServerIndexConfig
from dbt.adapters.sqlserver.sqlserver_adapter import SQLServerAdapter
from sqlfluff.core import FluffConfig, Linter

# A node of dbt that failed and a test that found something, as dbt gives them to on-run-end.
RESULTS = """[
    {'status': 'error', 'message': "deadlock: it's (1205)", 'timing': [], 'execution_time': 1.5, 'failures': none,
     'adapter_response': {'rows_affected': 3},
     'node': {'resource_type': 'model', 'name': 'dim_gene', 'unique_id': 'm', 'compiled_code': "select 'a' as b"}},
    {'status': 'fail', 'message': 'Got 2 results', 'timing': [], 'execution_time': 0.1, 'failures': 2,
     'adapter_response': {},
     'node': {'resource_type': 'test', 'name': 'unique_x', 'unique_id': 't', 'test_metadata': {'name': 'unique'}}},
]"""

OPERATIONS = {
    "create_staging": "{{ create_staging() }}",
    "create_meta": "{{ create_meta() }}",
    "log_run_started": "{{ log_run_started() }}",
    "log_nodes": f"{{{{ log_nodes({RESULTS}) }}}}",
    "log_loaded_batches": "{{ log_loaded_batches() }}",
    "log_tests": f"{{{{ log_tests(tests_that_found({RESULTS})) }}}}",
    "name_studies_of_findings": "{{ name_studies_of_findings() }}",
    "slices_tested": "{{ slices_tested() }}",
    "subjects_of_findings": "{{ subjects_of_findings() }}",
    "end_run": f"{{{{ end_run({RESULTS}) }}}}",
    "log_operation": "{{ log_operation('purge_staging', {'row_count': 3}) }}",
    "log_findings": "{{ log_findings_of('staging.int_source_finding') }}",
    "quarantine_batches": "{{ quarantine_batches_of('staging.int_source_finding') }}",
    "mark_batches_validated": "{{ mark_batches_validated() }}",
    "add_study_partitions": "{{ add_study_partitions_of(ref('dim_study')) }}",
    "remove_restaged_batches": "{{ remove_restaged_batches_from('fact.fact_gene_expression') }}",
    "mark_batches_loaded": "{{ mark_batches_loaded_into('fact.fact_gene_expression') }}",
    "close_disease_mapping": "{{ close_disease_mapping('dim.study_disease_map', 1, 'anna') }}",
    "open_disease_mapping": "{{ open_disease_mapping('dim.study_disease_map', 1, 2, 'anna') }}",
    "count_staging_to_purge": "{{ count_staging_to_purge(instant_days_ago(7)) }}",
    "mark_batches_purged": "{{ mark_batches_purged(instant_days_ago(7)) }}",
    "delete_purged_rows": "{{ delete_purged_rows() }}",
    "delete_removed_metadata": "{{ delete_removed_metadata() }}",
    "delete_removed_batches": "{{ delete_removed_batches() }}",
    "count_logs_to_purge": "{{ count_logs_to_purge(instant_days_ago(180)) }}",
    "delete_old_steps": "{{ delete_old_steps(instant_days_ago(180)) }}",
    "delete_old_findings": "{{ delete_old_findings(instant_days_ago(180)) }}",
    "batches_like": "{{ batches_like('3f0c29d1') }}",
    "findings_not_releasable": "{{ findings_not_releasable('3f0c29d1') }}",
    "mark_batch_released": "{{ mark_batch_released('3f0c29d1', 'anna') }}",
    "create_roles": "{{ roles() }}",
    "lock_until_commit": "{{ lock_until_commit('slices of fact_gene_pair_metrics') }}",
    "try_lock_until_commit": "{{ try_lock_until_commit('load GSE1') }}",
    "lock_keys": "{{ lock_keys('dim_gene') }}",
    "unlock_keys": "{{ unlock_keys('dim_gene') }}",
    "put_rank_scores": "{{ put_rank_scores_into('fact.fact_gene_pair_metrics') }}",
    "put_ranking": "{{ put_ranking_into('fact.fact_gene_pair_metrics') }}",
    "take_up_first_build": "{{ take_up_first_build('fact', 'fact_gene_expression', is_columnstore=true,"
    " and_then=mark_batches_not_loaded()) }}",
    "remove_replaced_features": "{{ remove_replaced_features_from('fact.fact_feature_values') }}",
}


def dbt_compile(folder: Path, *arguments: str) -> str:
    """`dbt compile` for SQL Server, with nothing that needs a connection."""
    (folder / "profiles.yml").write_text((PROJECT / "profiles.example.yml").read_text())
    process = subprocess.run(
        [
            str(Path(sys.executable).parent / "dbt"), "--no-use-colors", "compile",
            "--target", "sqlserver", "--no-introspect", "--no-populate-cache", *arguments,
        ],
        env={
            **os.environ,
            "DBT_PROFILES_DIR": str(folder),
            "DBT_TARGET_PATH": str(folder / "target"),
            "DBT_LOG_PATH": str(folder / "logs"),
        },
        cwd=PROJECT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert process.returncode == 0, process.stdout
    return process.stdout


@pytest.fixture(scope="module", params=["full", "incremental"])
def compiled(request, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    dbt_compile(folder, "--vars", f"{{compile_as: {request.param}}}")
    return folder / "target" / "compiled" / "expression_warehouse"


@functools.cache
def violations(sql: str, is_ours: bool) -> list[str]:
    """What sqlfluff finds; in SQL that dbt itself writes, only what it cannot parse. Most SQL is
    the same as a first build and as a later one."""
    linter = Linter(FluffConfig.from_path(str(PROJECT)))
    found = linter.lint_string(sql).get_violations()
    return [
        f"{v.rule_code()} line {v.line_no}: {v.desc()}"
        for v in found
        if is_ours or v.rule_code() == "PRS"
    ]


def test_every_model_and_test_is_clean_tsql(compiled):
    models = {path.stem for path in (PROJECT / "models").rglob("*.sql")}
    singular_tests = {path.stem for path in (PROJECT / "tests" / "dbt").glob("*.sql")}
    files = {path: path.read_text() for path in compiled.rglob("*.sql")}
    assert models | singular_tests <= {path.stem for path in files}
    found = {
        str(path.relative_to(compiled)): violations(sql, path.stem in models | singular_tests)
        for path, sql in files.items()
    }
    assert {path: what for path, what in found.items() if what} == {}


def test_no_duckdb_only_sql_is_left(compiled):
    """Words that DuckDB takes and T-SQL does not, which a lenient parser lets pass."""
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
    for path in compiled.rglob("*.sql"):
        sql = path.read_text().lower()
        assert [word for word in words if word in sql] == [], path


def test_products_of_counts_are_bigint(compiled):
    """T-SQL's count(*) is an int: a number of pairs overflows from 46,342 genes."""
    for path in compiled.rglob("*.sql"):
        assert not re.search(r"count\(\*\)\s*\*", path.read_text()), path
    (pairs,) = compiled.rglob("tbl_gene_pairs_materialized.sql")
    assert "cast(count(*) as bigint) * (count(*) - 1) / 2 as pairs_tested" in pairs.read_text()


def test_engines_differ_only_in_the_dialect():
    """An implementation for one engine stands in macros/dialect, and no macro calls it by name."""
    for folder in ("macros", "models", "tests/dbt"):
        for path in (PROJECT / folder).rglob("*.sql"):
            if "dialect" not in path.parts:
                found = re.findall(r"\b(?:default|duckdb|sqlserver|fabric)__\w+", path.read_text())
                assert found == [], path


@pytest.fixture(scope="module")
def operations(tmp_path_factory) -> dict[str, str]:
    """The SQL of each operation, compiled in one go."""
    folder = tmp_path_factory.mktemp("operations")
    parts = [f"-- operation {name}\n{call}\n" for name, call in OPERATIONS.items()]
    output = dbt_compile(folder, "--inline", "\n".join(parts))
    sql = output[output.index("Compiled inline node is:") :].split("\n", 1)[1]
    return dict(part.split("\n", 1) for part in sql.split("-- operation ")[1:])


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_is_clean_tsql(operations, name):
    assert operations[name].strip()
    assert violations(operations[name], is_ours=True) == []


def test_a_macro_without_an_implementation_stops_the_compiler(tmp_path):
    """An engine that nobody wrote a macro for gets an error, never another engine's SQL."""
    with pytest.raises(AssertionError, match="no_such_function"):
        dbt_compile(
            tmp_path,
            "--inline",
            "{{ adapter.dispatch('no_such_function', 'expression_warehouse')() }}",
        )


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, dict]:
    """The models as dbt knows them for SQL Server."""
    folder = tmp_path_factory.mktemp("models")
    dbt_compile(folder, "--select", "resource_type:model")
    nodes = json.loads((folder / "target" / "manifest.json").read_text())["nodes"].values()
    return {node["name"]: node for node in nodes if node["resource_type"] == "model"}


def test_every_index_is_one_that_the_adapter_takes(models):
    """It reads them when a table is built; here without a build."""
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


def table_ddl(model: dict) -> str:
    """The statements with which the adapter makes a table of a contract, as its macros
    build_columns_constraints and build_model_constraints put them together."""
    columns = SQLServerAdapter.render_raw_columns_constraints(raw_columns=model["columns"])
    named = SQLServerAdapter.render_raw_model_alter_constraints(
        raw_constraints=model["constraints"]
    )
    table = f"{model['schema']}.{model['name']}"
    return "\n".join(
        [
            f"create table {table} ({', '.join(columns)});",
            *(f"alter table {table} {constraint['clause']};" for constraint in named),
        ]
    )


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
    tables = [
        model
        for model in models.values()
        if model["contract"]["enforced"] and model["config"]["materialized"] != "view"
    ]
    assert len(tables) == 13
    for model in tables:
        assert violations(table_ddl(model), is_ours=False) == [], model["name"]


def test_constraints_have_a_name_that_says_what_they_are(models):
    """SQL Server scopes names by schema, and its messages have nothing else."""
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


def test_a_first_build_that_breaks_off_is_taken_up(models):
    """What the adapter fills in place, it marks until it is full, and refuses to build while it is
    marked. Tables with hooks after them are filled in place: else the adapter commits a first build's
    rows before the hooks run."""
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


def test_partitions_are_of_those_who_ask_for_them(tmp_path):
    """The table is made on them, and the hook makes one for each study."""
    asked = "{partition_by_study: true}"
    inline = "create table t (study_key int){{ study_partitions('study_key') }};\n{{ add_study_partitions() }}"
    with_them = dbt_compile(tmp_path, "--vars", asked, "--inline", inline)
    assert "create table t (study_key int) on partitions_by_study (study_key);" in with_them
    assert "split range" in with_them
    without = dbt_compile(tmp_path, "--inline", inline)
    assert "create table t (study_key int);" in without
    assert "partition" not in without.split("Compiled inline node is:")[1].replace(inline, "")


def test_only_the_expression_fact_has_partitions(models):
    columns = {
        name: model["config"]["meta"].get("partition_column") for name, model in models.items()
    }
    assert {name: column for name, column in columns.items() if column} == {
        "fact_gene_expression": "study_key"
    }


def test_builds_at_the_same_time_have_intermediate_tables_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setenv("EXPRESSION_BUILD_SLOT", "_2")
    dbt_compile(tmp_path, "--select", "fact_gene_pair_metrics")
    (fact,) = (tmp_path / "target" / "compiled").rglob("fact_gene_pair_metrics.sql")
    sql = fact.read_text()
    assert '"staging"."int_slice_2"' in sql
    assert '"staging"."int_pair_estimate_2"' in sql
    assert '"dim"."dim_gene_pair"' in sql
