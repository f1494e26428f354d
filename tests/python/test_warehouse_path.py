"""A relative path of the warehouse is one file, wherever the commands are called from."""

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PROJECT, TARGET


@pytest.mark.skipif(TARGET != "duckdb", reason="a server has no path")
def test_dbt_outside_the_project_does_not_build_another_file(warehouse, tmp_path):
    environment = warehouse.env | {"EXPRESSION_WAREHOUSE_DB": "elsewhere.duckdb"}
    command = [
        str(Path(sys.executable).parent / "dbt"), "run", "--select", "stg_batch",
        "--project-dir", str(PROJECT),
    ]  # fmt: skip
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "4013 LOAD_WAREHOUSE_ELSEWHERE" in done.stdout
