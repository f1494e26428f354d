"""`python -m loader health`: exit code and JSON for probes, lines for people."""

import datetime
import json
import shutil
import subprocess
import sys

import psutil
import pytest
from conftest import Study, WarehouseUnderTest

import loader.machine as machine_module


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> WarehouseUnderTest:
    """A warehouse that one run has made, of which a third of the samples has no illness label."""
    folder = tmp_path_factory.mktemp("health")
    warehouse = WarehouseUnderTest(folder)
    study = Study(titles=["healthy", "sepsis", "patient"])
    assert warehouse.loader("run", study.write(folder / "d")).exit_code == 0
    return warehouse


@pytest.fixture
def copy(built, tmp_path) -> WarehouseUnderTest:
    shutil.copy(built.path, tmp_path / "warehouse.duckdb")
    return WarehouseUnderTest(tmp_path)


def health(warehouse: WarehouseUnderTest) -> tuple[int, dict]:
    result = warehouse.loader("health")
    return result.exit_code, json.loads(result.stdout)


def test_a_good_run(built):
    exit_code, said = health(built)
    assert exit_code == 0
    assert (said["status"], said["last_command"], said["last_status"]) == (
        "healthy",
        "run",
        "SUCCESS",
    )
    assert said["last_run_id"] == said["last_success_run_id"]
    assert said["unknown_illness_share"] == pytest.approx(1 / 3)
    assert said["rows_per_second"] > 0
    assert (said["errors"], said["quarantine"]) == ([], [])
    assert (said["runs_last_hour"], said["failed_runs_last_day"]) == (1, 0)


def test_a_failed_run_with_a_quarantined_study(copy, tmp_path):
    broken = Study("GSE2", samples=["A", "B", "C"], technology="RNA-SEQ").write(tmp_path / "e")
    assert copy.loader("ingest", broken).exit_code == 1
    exit_code, said = health(copy)
    assert exit_code == 1
    assert (said["status"], said["last_command"], said["last_status"]) == (
        "unhealthy",
        "ingest",
        "FAILED",
    )
    assert said["last_error_code"] == 54020
    assert said["last_success_run_id"] != said["last_run_id"]
    assert (said["runs_last_hour"], said["failed_runs_last_day"]) == (2, 1)
    assert [(e["error_name"], e["error_count"], e["run_count"]) for e in said["errors"]] == [
        ("UNIT_UNDETECTED", 1, 1)
    ]
    assert [batch["study_accession_code"] for batch in said["quarantine"]] == ["GSE2"]
    text = copy.loader("health", "--log-format", "text")
    assert text.exit_code == 1
    assert text.stdout.startswith("unhealthy\nlast run: ingest FAILED")
    assert "quarantined: GSE2" in text.stdout
    printed = copy.dbt("run-operation", "healthcheck")
    assert "is_healthy: 0" in printed
    assert "1 x 54020 UNIT_UNDETECTED; runs: 1" in printed


def test_a_run_that_never_ended(copy):
    yesterday = datetime.datetime.now(datetime.UTC).replace(tzinfo=None) - datetime.timedelta(
        hours=25
    )
    copy.query_write(
        # Whatever succeeded was before it.
        "update meta.meta_etl_process_log set started_at = started_at - to_days(3)",
        "insert into meta.meta_etl_process_log (run_id, step, status, attempt, started_at)"
        f" values ('dead', 'run', 'RUNNING', 1, '{yesterday}')",
    )
    exit_code, said = health(copy)
    assert (exit_code, said["status"], said["unfinished_run_count"]) == (1, "unhealthy", 1)
    assert said["last_status"] == "RUNNING"


def test_the_machine(built, monkeypatch):
    """As psutil tells it, and a disk that is nearly full."""
    _, said = health(built)
    machine, memory = said["machine"], psutil.virtual_memory()
    assert machine["cores"] == psutil.cpu_count()
    assert machine["load_average"] == pytest.approx(psutil.getloadavg()[0], abs=2)
    assert machine["memory_total_bytes"] == memory.total
    assert machine["memory_available_bytes"] == pytest.approx(memory.available, rel=0.5)
    disk = psutil.disk_usage(str(built.folder))
    assert machine["disk_total_bytes"] == disk.total
    assert machine["disk_free_bytes"] == pytest.approx(disk.free, rel=0.1)
    full = type(shutil.disk_usage("/"))(100_000_000_000, 99_000_000_000, 1_000_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    monkeypatch.setattr(machine_module, "_MEMORY", built.folder / "absent")
    text = built.loader("health", "--log-format", "text").stdout
    assert "runs of the last hour: 1; failed in 24 hours: 0\n" in text
    (line,) = [line for line in text.splitlines() if line.startswith("machine: load ")]
    assert line.endswith(" cores, disk 1.0 of 100.0 GB free")


def test_no_warehouse(warehouse):
    exit_code, said = health(warehouse)
    assert (exit_code, said["status"]) == (1, "not built")
    assert said["machine"]["disk_free_bytes"] > 0
    assert said["message"] == f"{warehouse.path}: there is no such file"
    assert not warehouse.path.exists()


def test_a_warehouse_that_no_build_has_seen(warehouse, tmp_path):
    warehouse.loader("ingest", Study().write(tmp_path / "d"))
    exit_code, said = health(warehouse)
    assert (exit_code, said["status"]) == (1, "not built")


def test_a_busy_warehouse_is_not_waited_for(copy):
    holder = subprocess.Popen(
        [sys.executable, "-c", "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print(1, flush=True); input()", copy.path],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    holder.stdout.readline()
    try:
        exit_code, said = health(copy)
        assert (exit_code, said["status"]) == (0, "busy")
        assert str(holder.pid) in said["message"]
    finally:
        holder.communicate("\n")


def test_a_failed_build_is_not_forgotten(copy, tmp_path):
    copy.query_write(
        "update meta.meta_etl_process_log set status = 'FAILED', error_message = 'disk full'"
        " where step = 'dbt build'"
    )
    assert copy.loader("ingest", Study("GSE3").write(tmp_path / "e")).exit_code == 0
    exit_code, said = health(copy)
    assert (exit_code, said["status"], said["last_status"]) == (1, "unhealthy", "SUCCESS")
    assert (said["last_build_status"], said["last_build_error_message"]) == ("FAILED", "disk full")
    text = copy.loader("health", "--log-format", "text").stdout
    assert "last build: FAILED" in text
    assert "disk full" in text


def test_damaged_blocks_are_found_on_request(copy):
    """A block of a table that no view of the health reads."""
    copy.query_write(
        "create table dim.dim_large as select hash(i) as number from range(1000000) as t (i)",
        "checkpoint",
    )
    healthy = json.loads(copy.loader("health", "--deep").stdout)
    assert (healthy["status"], healthy["damaged"]) == ("healthy", [])
    ((block,),) = copy.query(
        "select max(block_id) from pragma_storage_info('dim.dim_large') where persistent"
    )
    with copy.path.open("r+b") as file:
        file.seek(3 * 4096 + block * 262_144 + 1000)
        file.write(bytes(64))
    assert health(copy)[0] == 0
    result = copy.loader("health", "--deep")
    said = json.loads(result.stdout)
    assert (result.exit_code, said["status"]) == (1, "unhealthy")
    assert [each["table"] for each in said["damaged"]] == ["dim.dim_large"]
    text = copy.loader("health", "--deep", "--log-format", "text")
    assert "damaged: dim.dim_large: " in text.stdout
