"""A relative path of the warehouse is one file, wherever the commands are called from; any name of a
folder will do."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PROJECT, TARGET, events
from warehouses import without_rows

from expression_warehouse.core import snapshot
from expression_warehouse.core.warehouse.duckdb import DuckDBWarehouse
from expression_warehouse.core.warehouse.duckdb_target import DuckDBTarget
from loader.decisions import archive_decisions


@pytest.mark.skipif(TARGET != "duckdb", reason="a server has no path")
@pytest.mark.parametrize(
    "command",
    ["run --select stg_batch", "compile --select stg_batch", "run-operation purge_db_logs"],
)
def test_dbt_outside_the_project_makes_no_other_file(warehouse, tmp_path, command):
    environment = warehouse.env | {"EXPRESSION_WAREHOUSE_DB": "elsewhere.duckdb"}
    program = str(Path(sys.executable).parent / "dbt")
    done = subprocess.run(
        [program, *command.split(), "--project-dir", str(PROJECT)],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "4013 LOAD_WAREHOUSE_ELSEWHERE" in done.stdout
    assert not list(tmp_path.glob("elsewhere.duckdb*"))


@pytest.mark.skipif(TARGET != "duckdb", reason="a server has no path")
def test_the_command_dbt_takes_a_relative_path_from_the_project(warehouse, tmp_path):
    """As the other commands do: from the project's folder, wherever it is called."""
    path = os.path.relpath(tmp_path / "project" / "w.duckdb", PROJECT)
    (tmp_path / "project").mkdir()
    (tmp_path / "other").mkdir()
    environment = warehouse.env | {"EXPRESSION_WAREHOUSE_DB": path}
    done = subprocess.run(
        [sys.executable, "-m", "expression_warehouse", "dbt", "run-operation", "purge_db_logs"],
        cwd=tmp_path / "other", env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "project" / "w.duckdb").is_file()


@pytest.mark.skipif(TARGET != "duckdb", reason="a server has no path")
@pytest.mark.parametrize(
    "command",
    [
        "pairs screen --disease SEPSIS",
        "pairs correlate --study GSE1 --cohort SEPSIS --output pairs.parquet",
        "pairs calibrate --disease SEPSIS",
        "pairs rank",
        "pairs export-features features",
        "load-pairs pairs.csv --disease SEPSIS --technology RNA-SEQ",
        "publish --disease SEPSIS",
    ],
)
def test_what_needs_a_build_makes_no_file_of_a_mistyped_path(
    warehouse, tmp_path, monkeypatch, command
):
    (tmp_path / "pairs.csv").write_text("gene_a,gene_b,dz_ss_mean\nENSG1,ENSG2,0.5\n")
    before = {path.name for path in tmp_path.iterdir()}
    monkeypatch.chdir(tmp_path)
    group, _, rest = command.partition(" ")
    call = warehouse.pairs if group == "pairs" else warehouse.loader
    result = call(*(rest if group == "pairs" else command).split())
    assert result.exit_code == 1
    (error,) = events(result, "failed")
    assert (error["error_code"], error["file"]) == (4008, str(warehouse.path))
    made = {path.name for path in tmp_path.iterdir()} - before
    assert not any("duckdb" in name for name in made), made


APOSTROPHE = "today's"


def test_a_setting_of_the_profile_with_an_apostrophe(tmp_path):
    settings = {"temp_directory": str(tmp_path / APOSTROPHE)}
    with DuckDBWarehouse(DuckDBTarget(str(tmp_path / "w.duckdb"), settings)) as warehouse:
        query = "select current_setting('temp_directory') as temp_directory"
        assert warehouse.read(query).to_pylist() == [settings]


@pytest.mark.skipif(TARGET != "duckdb", reason="a server has no path")
def test_a_warehouse_in_a_folder_with_an_apostrophe(copy_of, tmp_path):
    folder = tmp_path / APOSTROPHE
    folder.mkdir()
    warehouse = copy_of(without_rows, folder)
    archive_decisions(warehouse.path, folder)
    assert (folder / "decisions.duckdb").is_file()
    made, _ = snapshot.publish(warehouse.path, print)
    assert made.path.is_file()
    compacted = warehouse.loader("compact")
    assert compacted.exit_code == 0, compacted.output
