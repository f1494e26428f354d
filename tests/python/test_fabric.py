"""The target for Microsoft Fabric Warehouse gets SQL Server's T-SQL, except for what docs/sql-server.md lists.
test_tsql_parser.py parses it with Fabric's grammar.

Not run here: Fabric Warehouse itself, a cloud service. Its adapter compiles without it.
"""

import re

import pytest
from compiled_tsql import compiled_operations, compiled_project, sql_files

pytest.importorskip(
    "dbt.adapters.fabric",
    reason="needs pip install '.[fabric]', and libltdl7",
    exc_type=ImportError,
)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory) -> dict[str, dict[str, str]]:
    """target -> file -> SQL, for all models and tests."""
    return {
        target: {
            name: sql
            for name, sql in sql_files(compiled_project(tmp_path_factory, target)).items()
            if "/hooks/" not in name
        }
        for target in ("sqlserver", "fabric")
    }


def plain(sql: str) -> str:
    """Without what may differ: quotes of names, types of text, and the id of the invocation."""
    sql = re.sub(r"\bn?varchar\((\d+|max)\)", "varchar", sql.replace("[", '"').replace("]", '"'))
    return re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "", sql)


def test_models_and_tests_are_sql_servers(compiled):
    assert len(compiled["fabric"]) > 150
    assert compiled["fabric"].keys() == compiled["sqlserver"].keys()
    different = [
        name
        for name, sql in compiled["fabric"].items()
        if plain(sql) != plain(compiled["sqlserver"][name])
    ]
    assert different == []


def test_there_is_no_nvarchar(compiled):
    assert [name for name, sql in compiled["fabric"].items() if "nvarchar" in sql] == []


def test_tables_have_no_key_index_or_lock(tmp_path_factory):
    for_server, for_fabric = (
        " ".join(
            operations[name] for name in ("create_staging", "create_meta", "lock_keys")
        ).lower()
        for operations in (
            compiled_operations(tmp_path_factory),
            compiled_operations(tmp_path_factory, "fabric"),
        )
    )
    for words in ("primary key", "columnstore", "sp_getapplock", "nvarchar"):
        assert words in for_server
        assert words not in for_fabric
    assert "create table staging.expression_rows" in for_fabric
