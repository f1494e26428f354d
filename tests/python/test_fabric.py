"""The target for Microsoft Fabric Warehouse gets SQL Server's T-SQL, which test_tsql.py parses and lints,
except what docs/sql-server.md lists.

What is not run here: Fabric Warehouse itself, which is a cloud service. Its adapter compiles without one.
"""

import re
from pathlib import Path

import pytest
from conftest import WarehouseUnderTest

pytest.importorskip(
    "dbt.adapters.fabric",
    reason="needs pip install '.[fabric]', and libltdl7",
    exc_type=ImportError,
)

OPERATIONS = {
    "create_staging": "{{ create_staging() }}",
    "create_meta": "{{ create_meta() }}",
    "lock_keys": "{{ lock_keys('dim_gene') }}",
}


@pytest.fixture(scope="module")
def compiled(tmp_path_factory) -> dict[str, dict[str, str]]:
    """target -> file -> SQL, for all models and tests."""
    warehouse = WarehouseUnderTest(tmp_path_factory.mktemp("fabric"))
    found = {}
    for target in ("sqlserver", "fabric"):
        warehouse.env["DBT_TARGET_PATH"] = str(warehouse.target / target)
        warehouse.dbt("compile", "--target", target, "--no-introspect", "--no-populate-cache")
        folder = warehouse.target / target / "compiled"
        found[target] = {
            str(path.relative_to(folder)): path.read_text()
            for path in folder.rglob("*.sql")
            if "hooks" not in path.parts
        }
    return found


def plain(sql: str) -> str:
    """Without what differs: quotes of names, texts of Unicode, and the id of the invocation."""
    sql = re.sub(r"\bn?varchar\((\d+|max)\)", "varchar", sql.replace("[", '"').replace("]", '"'))
    return re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "", sql)


def test_models_and_tests_are_sql_servers(compiled):
    assert len(compiled["fabric"]) > 250
    assert compiled["fabric"].keys() == compiled["sqlserver"].keys()
    different = [
        name
        for name, sql in compiled["fabric"].items()
        if plain(sql) != plain(compiled["sqlserver"][name])
    ]
    assert different == []


def test_there_is_no_nvarchar(compiled):
    assert [name for name, sql in compiled["fabric"].items() if "nvarchar" in sql] == []


def test_tables_have_no_key_index_or_lock(tmp_path: Path):
    warehouse = WarehouseUnderTest(tmp_path)
    inline = "\n".join(OPERATIONS.values())
    arguments = ("--no-introspect", "--no-populate-cache", "--inline", inline)
    for_fabric = warehouse.dbt("compile", "--target", "fabric", *arguments).lower()
    for_server = warehouse.dbt("compile", "--target", "sqlserver", *arguments).lower()
    for words in ("primary key", "columnstore", "sp_getapplock", "nvarchar"):
        assert words in for_server
        assert words not in for_fabric
    assert "create table staging.expression_rows" in for_fabric
