"""The project's T-SQL, compiled by dbt without a server, once per target and test session.

Modules that look at it may run in several processes of pytest-xdist: a lock makes one of them compile,
the others read its files. A folder holds dbt's own `manifest.json` and `compiled/…/*.sql` (models, tests,
hooks of the project); the operations, which dbt compiles one call at a time, are in `operations/*.sql`.
"""

import contextlib
import io
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from unittest import mock

from conftest import PROJECT
from dbt.adapters.sqlserver.sqlserver_adapter import SQLServerAdapter
from dbt.cli.main import dbtRunner
from dbt.contracts.graph.manifest import Manifest
from filelock import FileLock

from expression_warehouse.core.dbt_command import close_connections

OFFLINE = ("--no-introspect", "--no-populate-cache")

# A failed node and a test with findings, as dbt passes them to on-run-end.
RESULTS = """[
    {'status': 'error', 'message': "deadlock: it's (1205)", 'timing': [], 'execution_time': 1.5, 'failures': none,
     'adapter_response': {'rows_affected': 3},
     'node': {'resource_type': 'model', 'name': 'dim_gene', 'unique_id': 'm', 'compiled_code': "select 'a' as b"}},
    {'status': 'fail', 'message': 'Got 2 results', 'timing': [], 'execution_time': 0.1, 'failures': 2,
     'adapter_response': {},
     'node': {'resource_type': 'test', 'name': 'unique_x', 'unique_id': 't', 'test_metadata': {'name': 'unique'}}},
]"""

# Operations, and the SQL of the models' hooks, which dbt renders only when it runs a model.
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
    "log_findings": "{{ log_findings(ref('int_source_finding')) }}",
    "mark_facts_checked": "{{ mark_facts_checked('staging.int_target_finding') }}",
    "quarantine_batches": "{{ quarantine_batches('staging.int_source_finding') }}",
    "mark_batches_validated": "{{ mark_batches_validated() }}",
    "add_study_partitions": "{{ add_study_partitions_of(ref('dim_study')) }}",
    "remove_restaged_batches": "{{ remove_restaged_batches('fact.fact_gene_expression') }}",
    "remove_resolved_again": "{{ remove_resolved_again('meta.meta_gene_id') }}",
    "mark_batches_loaded": "{{ mark_batches_loaded('fact.fact_gene_expression') }}",
    "close_disease_mapping": "{{ close_disease_mapping('dim.study_disease_map', 1, 'anna') }}",
    "open_disease_mapping": "{{ open_disease_mapping('dim.study_disease_map', 1, 2, 'anna') }}",
    "count_staging_to_purge": "{{ count_staging_to_purge(instant_days_ago(7)) }}",
    "mark_batches_purged": "{{ mark_batches_purged(instant_days_ago(7)) }}",
    "delete_purged_expression_rows": "{{ delete_purged_expression_rows() }}",
    "delete_purged_symbols": "{{ delete_purged_symbols() }}",
    "delete_removed_metadata": "{{ delete_removed_metadata() }}",
    "delete_removed_batches": "{{ delete_removed_batches() }}",
    "count_logs_to_purge": "{{ count_logs_to_purge(instant_days_ago(180)) }}",
    "delete_old_steps": "{{ delete_old_steps(instant_days_ago(180)) }}",
    "delete_old_findings": "{{ delete_old_findings(instant_days_ago(180)) }}",
    "batches_like": "{{ batches_like('3f0c29d1') }}",
    "findings_not_releasable": "{{ findings_not_releasable('3f0c29d1') }}",
    "mark_batch_released": "{{ mark_batch_released('3f0c29d1', 'anna') }}",
    "create_roles": "{{ roles() }}",
    "process_log_guard": "{{ process_log_guard() }}",
    "backup_database": "{{ backup_database(\"N'warehouse.bak'\") }}",
    "lock_until_commit": "{{ lock_until_commit('slices of fact_gene_pair_metrics') }}",
    "try_lock_until_commit": "{{ try_lock_until_commit('load GSE1') }}",
    "lock_keys": "{{ lock_keys('dim_gene') }}",
    "unlock_keys": "{{ unlock_keys('dim_gene') }}",
    "put_rank_scores": "{{ put_rank_scores('fact.fact_gene_pair_metrics') }}",
    "put_ranking": "{{ put_ranking('fact.fact_gene_pair_metrics') }}",
    "put_reviews": "{{ put_reviews('fact.fact_gene_pair_metrics') }}",
    "remove_replaced_slices": "{{ remove_replaced_slices('fact.fact_gene_pair_metrics') }}",
    "take_up_first_build": "{{ take_up_first_build('fact', 'fact_gene_expression', is_columnstore=true,"
    " and_then=mark_batches_not_loaded()) }}",
    "add_sample_natural_keys": "{{ add_sample_natural_keys_to('dim.dim_sample', ref('dim_study')) }}",
    "genes_without_symbol": "{{ genes_without_symbol('dim.dim_gene') }}",
    "add_gene_columns": "{{ add_gene_columns('dim.dim_gene') }}",
    "remove_other_annotation": "{{ remove_other_annotation('fact.fact_gene_annotation') }}",
    "remove_replaced_features": "{{ remove_replaced_features('fact.fact_feature_values') }}",
}


def dbt(
    folder: Path, *arguments: str, target: str = "sqlserver", manifest: Manifest | None = None
) -> tuple[str, object]:
    """Run dbt in this process; return its output and its result. AssertionError with the output if it fails."""
    folder.mkdir(exist_ok=True)
    (folder / "profiles.yml").write_text((PROJECT / "profiles.example.yml").read_text())
    env = {
        "DBT_PROFILES_DIR": str(folder),
        "DBT_TARGET_PATH": str(folder),
        "DBT_LOG_PATH": str(folder / "logs"),
        "DBT_LOG_LEVEL_FILE": "none",
        "DBT_USE_COLORS": "false",
        "EXPRESSION_SQLSERVER_DATABASE": "expression_warehouse",
    }
    output = io.StringIO()
    with (
        mock.patch.dict(os.environ, env),
        contextlib.chdir(PROJECT),
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(output),
    ):
        try:
            result = dbtRunner(manifest=manifest).invoke([*arguments, "--target", target])
        finally:
            close_connections()
    printed = f"{output.getvalue()}\n{result.exception or ''}"
    assert result.success, printed
    return printed, result.result


def compile_inline(folder: Path, sql: str, *arguments: str, target: str = "sqlserver") -> str:
    """The compiled SQL of a template."""
    printed, _ = dbt(folder, "compile", *OFFLINE, "--inline", sql, *arguments, target=target)
    return printed.split("Compiled inline node is:")[1].split("\n", 1)[1]


def compiled_project(tmp_path_factory, target: str = "sqlserver", build: str = "full") -> Path:
    """The folder with the SQL of a first build (`full`) or of a later one (`incremental`)."""

    def compile_all(folder: Path) -> None:
        # A manifest that is passed in is not parsed again, as it would be for another --vars.
        _, manifest = dbt(folder, "parse", target=target)
        build_as = ("--vars", json.dumps({"compile_as": build}))
        dbt(folder, "compile", *OFFLINE, *build_as, target=target, manifest=manifest)

    return _made_once(tmp_path_factory, f"{target}_{build}", compile_all)


def compiled_operations(tmp_path_factory, target: str = "sqlserver") -> dict[str, str]:
    """Operation -> its SQL."""

    def compile_all(folder: Path) -> None:
        calls = [f"-- operation {name}\n{call}\n" for name, call in OPERATIONS.items()]
        sql = compile_inline(folder, "\n".join(calls), target=target)
        (folder / "operations").mkdir()
        for operation in sql.split("-- operation ")[1:]:
            name, text = operation.split("\n", 1)
            (folder / "operations" / f"{name}.sql").write_text(text)

    folder = _made_once(tmp_path_factory, f"{target}_operations", compile_all)
    return {path.stem: path.read_text() for path in (folder / "operations").glob("*.sql")}


def sql_files(folder: Path) -> dict[str, str]:
    """Path below dbt's folder of compiled files -> SQL."""
    root = folder / "compiled" / "expression_warehouse"
    return {str(path.relative_to(root)): path.read_text() for path in root.rglob("*.sql")}


def project_nodes(folder: Path) -> list[dict]:
    """All nodes and sources of the manifest in dbt's folder."""
    manifest = json.loads((folder / "manifest.json").read_text())
    return [*manifest["nodes"].values(), *manifest["sources"].values()]


def table_ddl(nodes: Iterable[dict]) -> dict[str, str]:
    """Model -> the statements with which the adapter makes its table, for tables with a contract, as the
    adapter's macros build_columns_constraints and build_model_constraints put them together."""
    found = {}
    for node in nodes:
        is_view = node["config"].get("materialized") == "view"
        if is_view or not node.get("contract", {}).get("enforced"):
            continue
        columns = SQLServerAdapter.render_raw_columns_constraints(raw_columns=node["columns"])
        named = SQLServerAdapter.render_raw_model_alter_constraints(
            raw_constraints=node["constraints"]
        )
        table = f"{node['schema']}.{node['name']}"
        clauses = [f"alter table {table} {constraint['clause']};" for constraint in named]
        found[node["name"]] = "\n".join([f"create table {table} ({', '.join(columns)});", *clauses])
    return found


def _made_once(tmp_path_factory, name: str, make: Callable[[Path], None]) -> Path:
    session = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        session = session.parent
    folder = session / f"tsql_{name}"
    with FileLock(f"{folder}.lock"):
        if not (folder / "complete").exists():
            make(folder)
            (folder / "complete").touch()
    return folder
