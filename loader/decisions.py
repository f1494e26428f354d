"""What no download can give back: the keys of the dimensions and what people decided.

archive/decisions.duckdb  all tables of schema dim, with study_disease_map; the register of batches
                          with their settings and releases; reviews; pair metrics, annotation,
                          screens and scores as staged; the logs

With the archived studies it is all that `rebuild` needs.
"""

import contextlib
from pathlib import Path

import duckdb

from expression_warehouse.core.files import named_os_errors, remove_unfinished, unfinished_folder
from expression_warehouse.core.warehouse.duckdb import literal
from expression_warehouse.core.warehouse.duckdb_file import run
from expression_warehouse.core.warehouse.macros import project_macros

FILE = "decisions.duckdb"

# Tables of staging and meta to archive; dbt build recreates the others.
_STAGED = (
    "batch",
    "study_metadata",
    "pair_metrics",
    "feature_values",
    "pair_scores",
    "screened_pairs",
    "screened_contrasts",
    "calibration",
    "disease_definition",
    "annotation_file",
    "annotation_value",
)
_LOGGED = ("meta_etl_process_log", "meta_data_validation_log", "meta_feature_run")
_TABLES = """
    select schema_name, table_name, sql
    from duckdb_tables()
    where database_name = 'warehouse_of_decisions'
"""


def archive_decisions(warehouse: Path, archive: Path) -> None:
    """Write them into the archive, in place of those that it has.

    Raises UserError 4010 if another process has the warehouse open, 4014 if it is damaged, 54302 if
    the archive cannot be written, 54700 if the engine fails.
    """
    remove_unfinished(archive)
    with unfinished_folder(archive) as unfinished:
        new = unfinished / FILE
        with contextlib.closing(duckdb.connect()) as connection:
            attach = f"attach {literal(warehouse)} as warehouse_of_decisions (read_only)"
            run(connection, warehouse, attach)
            run(connection, new, f"attach {literal(new)} as decisions")
            run(connection, new, "use decisions")
            for schema, table, sql in run(connection, warehouse, _TABLES).fetchall():
                if _is_decided(schema, table):
                    # `sql` names the table without a database: the one in use.
                    run(connection, new, f'create schema if not exists "{schema}"')
                    run(connection, new, sql)
                    name = f'"{schema}"."{table}"'
                    source = f"warehouse_of_decisions.{name}"
                    run(connection, new, f"insert into decisions.{name} from {source}")
            run(connection, new, "checkpoint decisions")
        with named_os_errors(archive):
            new.replace(archive / FILE)


def _is_decided(schema: str, table: str) -> bool:
    schema_name = project_macros("duckdb").schema_name
    decided = {
        schema_name("staging"): table in _STAGED,
        schema_name("meta"): table in _LOGGED,
        schema_name("analytics"): table == "llm_reviews",
        schema_name("dim"): True,
    }
    return decided.get(schema, False)
