"""Commands that write the same DuckDB file at a time: each waits for its turn, none fails, and a
command that dies holds nobody up."""

import errno
import itertools
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
from conftest import PROJECT, Study, WarehouseUnderTest, events
from forked import Command
from test_run import CONFIG, natural, run_at_once, story, study, without_tests

from expression_warehouse.core.warehouse import writer_lock

if os.environ.get("EXPRESSION_TEST_TARGET", "duckdb") != "duckdb":
    pytest.skip("SQL Server lets several commands write at a time", allow_module_level=True)

OVERLAPPING = [(1,), (1, 2), (2, 3), (3,), (1, 2, 3), (1, 2, 3)]


@pytest.fixture(scope="module")
def downloads(tmp_path_factory):
    folder = tmp_path_factory.mktemp("downloads")
    for number in (1, 2, 3):
        study(number).write(folder / f"d{number}")
    (folder / "pipeline.yaml").write_text(CONFIG)
    return folder


def runs_of(warehouse, manifests, downloads):
    for numbers in OVERLAPPING:
        chosen = [word for number in numbers for word in ("--study", f"GSE{number}")]
        config = ("--config", downloads / "pipeline.yaml")
        arguments = tuple(map(str, ("run", downloads, *config, *chosen)))
        yield Command("narrow_loader", arguments, warehouse.env, manifests)


@pytest.mark.parametrize("rounds", [1, pytest.param(20, marks=pytest.mark.long)])
def test_six_runs_at_once_of_overlapping_studies(downloads, manifests, tmp_path, rounds):
    results = set()
    for number in range(rounds):
        folder = tmp_path / str(number)
        folder.mkdir()
        warehouse = WarehouseUnderTest(folder)
        without_tests(warehouse)
        run_at_once(*runs_of(warehouse, manifests, downloads))
        assert story(warehouse, "run") == [("SUCCESS", 1)] * 6, number
        assert len(story(warehouse, "load_batch")) == 3
        results.add(tuple(natural(warehouse)))
        shutil.rmtree(folder)
    assert len(results) == 1


WRITER = """
import sys
from pathlib import Path
from expression_warehouse.core.warehouse.writer_lock import held
with held(Path(sys.argv[1]), lambda text: print("told:", text, flush=True)):
    print("writes", flush=True)
    sys.stdin.readline()
"""


class Writer:
    """A process that asks for the lock of a warehouse, and keeps it until `end`."""

    def __init__(self, warehouse: WarehouseUnderTest, **env: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(warehouse.path)],
            env={**warehouse.env, **env}, cwd=PROJECT, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def line(self) -> str:
        return self.process.stdout.readline().strip()

    def end(self) -> None:
        self.process.communicate("\n")


def waiting(warehouse: WarehouseUnderTest) -> int:
    return len(list(warehouse.folder.glob("*.waiting")))


@pytest.fixture
def queue(warehouse):
    """One that writes and three that wait, in this order."""
    writers = [Writer(warehouse)]
    assert writers[0].line() == "writes"
    for count in (1, 2, 3):
        writers.append(Writer(warehouse))
        assert writers[-1].line().startswith("told: waiting for")
        assert waiting(warehouse) == count
    yield writers
    for writer in writers:
        writer.process.kill()
        writer.process.communicate()


def test_first_come_first_served(warehouse, queue):
    for writer, following in itertools.pairwise(queue):
        writer.end()
        assert following.line() == "writes"
        assert str(following.process.pid) in writer_lock.find_writer(warehouse.path)
    queue[-1].end()
    assert writer_lock.find_writer(warehouse.path) is None
    assert waiting(warehouse) == 0


def test_a_killed_writer_lets_the_next_one_in(warehouse, queue):
    """Also if that one was killed while it waited."""
    queue[1].process.send_signal(signal.SIGKILL)
    queue[1].process.wait()
    queue[0].process.send_signal(signal.SIGKILL)
    assert queue[2].line() == "writes"
    queue[2].end()
    assert queue[3].line() == "writes"
    assert waiting(warehouse) == 0


def test_a_command_that_waits_too_long_says_for_whom(warehouse, tmp_path):
    holder = Writer(warehouse)
    assert holder.line() == "writes"
    warehouse.env["EXPRESSION_WAIT_S"] = "0.2"
    try:
        result = warehouse.loader("ingest", Study().write(tmp_path / "d"))
        (failed,) = events(result, "failed")
        assert (result.exit_code, failed["error_code"]) == (1, 4010)
        assert f"process {holder.process.pid} on " in failed["found"]
        exit_code, output = warehouse.dbt_command("seed", "--no-partial-parse", "--threads", "1")
        assert exit_code != 0
        assert "4010 LOAD_WAREHOUSE_BUSY" in output
        assert f"process {holder.process.pid} on " in output
        assert "Traceback" not in output
    finally:
        holder.end()


def test_dbt_waits_for_a_writer_and_for_a_reader(warehouse):
    writer = Writer(warehouse)
    assert writer.line() == "writes"
    dbt = warehouse.dbt_process("seed", "--select", "unit")
    while waiting(warehouse) == 0:
        assert dbt.poll() is None, dbt.communicate()
        time.sleep(0.1)
    writer.end()
    output, _ = dbt.communicate()
    assert dbt.returncode == 0, output
    reader = "import duckdb, sys; c = duckdb.connect(sys.argv[1], read_only=True); print(1, flush=True); input()"
    shell = subprocess.Popen(
        [sys.executable, "-c", reader, str(warehouse.path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    shell.stdout.readline()
    dbt = warehouse.dbt_process("seed", "--select", "unit")
    said = ""
    while "waiting for" not in said:
        said = dbt.stdout.readline()
        assert said, "dbt ended"
    assert str(shell.pid) in said
    shell.communicate("\n")
    output, _ = dbt.communicate()
    assert dbt.returncode == 0, output


@pytest.mark.parametrize("text", ["soon", "-1"])
def test_a_waiting_time_that_is_none(warehouse, tmp_path, text):
    warehouse.env["EXPRESSION_WAIT_S"] = text
    result = warehouse.loader("ingest", Study().write(tmp_path / "d"))
    (failed,) = events(result, "failed")
    assert failed["error_code"] == 54030
    assert "EXPRESSION_WAIT_S" in failed["found"]


def test_a_folder_where_no_lock_can_be_made(warehouse, tmp_path, monkeypatch):
    """As on a read-only or full disk: the folder is to be mended, not the profile."""

    def refuse(*_arguments, **_settings):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(writer_lock.filelock.FileLock, "acquire", refuse)
    result = warehouse.loader("ingest", Study().write(tmp_path / "d"))
    (failed,) = events(result, "failed")
    assert (failed["error_code"], failed["file"]) == (54302, str(warehouse.path.parent))
    assert "Read-only file system" in failed["found"]
