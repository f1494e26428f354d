"""What a killed command leaves behind is closed and removed by the next one."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from conftest import PROJECT, Study, WarehouseUnderTest
from forked import Command, Death

from expression_warehouse.core.files import UNFINISHED, remove_unfinished

# A command in the middle of its work, with the warehouse closed as during a build.
COMMAND = """
import os, sys
from expression_warehouse.core.files import temporary_folder
from expression_warehouse.core.process_log import ProcessLog, Step
from expression_warehouse.core.warehouse.target import open_warehouse
with temporary_folder("r1"):
    with open_warehouse() as warehouse:
        log = ProcessLog(warehouse, "r1")
        log.begin(Step("run", {}))
        log.begin(Step("stage_study", {}))
    print("working", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def working(warehouse, tmp_path):
    """The command under way; ends with the test."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND],
        env={**warehouse.env, "TMPDIR": str(temporary)}, cwd=PROJECT, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout.readline() == "working\n"
    yield process
    process.kill()
    process.communicate()


def steps(warehouse: WarehouseUnderTest) -> list[tuple]:
    return warehouse.query(
        "select step, status, error_message from meta.meta_etl_process_log where run_id = 'r1'"
        " order by step"
    )


def lock_files(warehouse: WarehouseUnderTest) -> list[str]:
    return [path.name for path in warehouse.path.parent.glob("*.running")]


def test_a_killed_command(warehouse, working, tmp_path, monkeypatch):
    folder = tmp_path / "tmp"
    assert [path.name.startswith("expression-warehouse-r1-") for path in folder.iterdir()] == [True]
    working.kill()
    working.wait()
    assert {status for _, status, _ in steps(warehouse)} == {"RUNNING"}
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    assert warehouse.loader("ingest", Study().write(tmp_path / "d")).exit_code == 0
    assert steps(warehouse) == [
        ("run", "FAILED", "the process died"),
        ("stage_study", "FAILED", "the process died"),
    ]
    assert lock_files(warehouse) == []
    assert not list(folder.glob("expression-warehouse-r1-*"))


def test_a_command_that_is_alive(warehouse, working, tmp_path):
    assert warehouse.loader("ingest", Study().write(tmp_path / "d")).exit_code == 0
    assert {status for _, status, _ in steps(warehouse)} == {"RUNNING"}
    assert lock_files(warehouse) == ["warehouse.duckdb.r1.running"]
    assert list((tmp_path / "tmp").iterdir())


@pytest.mark.parametrize(
    ("step", "arguments", "function"),
    [
        ("publish", ("publish", "--disease", "SEPSIS"), "loader.publish.read_pairs"),
        ("rank", ("pairs", "rank"), "expression_warehouse.pairs.ranking.rank.read_built_slices"),
        (
            "export-features",
            ("pairs", "export-features", "features"),
            "expression_warehouse.pairs.feature_export._export",
        ),
    ],
)
def test_each_command_leaves_a_trace(warehouse, manifests, tmp_path, step, arguments, function):
    def outcomes() -> list[tuple]:
        return warehouse.query(
            f"select status, error_message from meta.meta_etl_process_log where step = '{step}'"
        )

    # These commands need a file, which another one makes.
    assert warehouse.loader("ingest", Study().write(tmp_path / "d")).exit_code == 0
    Command("console", arguments, warehouse.env, manifests).die_in(function)
    assert outcomes() == [("RUNNING", None)]
    assert len(lock_files(warehouse)) == 1
    assert warehouse.loader("ingest", tmp_path / "d").exit_code == 0
    assert outcomes() == [("FAILED", "the process died")]
    assert lock_files(warehouse) == []


def test_what_writers_left_is_removed_after_a_day(tmp_path):
    def left(name: str, hours: float) -> Path:
        path = tmp_path / f"{UNFINISHED}{name}"
        path.mkdir()
        (path / "copy").write_text("half")
        os.utime(path, (time.time() - hours * 3600,) * 2)
        return path

    old, new = left("old", 25), left("new", 23)
    (tmp_path / "GSE1").mkdir()
    remove_unfinished(tmp_path)
    assert not old.exists()
    assert new.exists()
    assert (tmp_path / "GSE1").exists()


def test_a_killed_dbt(warehouse, manifests, tmp_path):
    """Killed just before it would have ended its row in the log."""
    command = Command("dbt", ("seed", "--select", "unit"), warehouse.env, manifests)
    command.die(Death(len(command.durations(tmp_path)) - 4))
    assert dbt_runs(warehouse) == [("SUCCESS", None), ("RUNNING", None)]
    assert len(lock_files(warehouse)) == 1
    assert warehouse.loader("ingest", Study().write(tmp_path / "d")).exit_code == 0
    assert dbt_runs(warehouse) == [("SUCCESS", None), ("FAILED", "the process died")]
    assert lock_files(warehouse) == []


def dbt_runs(warehouse: WarehouseUnderTest) -> list[tuple]:
    return warehouse.query(
        "select status, error_message from meta.meta_etl_process_log where step = 'dbt seed'"
        " order by started_at"
    )


def test_dbt_ends_the_steps_of_a_killed_command(warehouse, working):
    working.kill()
    working.wait()
    warehouse.dbt("seed", "--select", "unit")
    assert {status for _, status, _ in steps(warehouse)} == {"FAILED"}


def test_dbt_beside_a_command_that_is_alive(warehouse, working):
    warehouse.dbt("seed", "--select", "unit")
    assert {status for _, status, _ in steps(warehouse)} == {"RUNNING"}
    assert lock_files(warehouse) == ["warehouse.duckdb.r1.running"]
