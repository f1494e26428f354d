"""SIGINT and SIGTERM at any moment: exit code 130 or 143, one sentence, no traceback, no half study,
no step that the log calls RUNNING. Real processes, real signals."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from conftest import PROJECT, Study, WarehouseUnderTest
from test_crash import contents

TABLES = ("staging.batch", "staging.study_metadata", "staging.expression_rows")
TITLES = ("sepsis", "healthy control", "septic shock")

# Share of the undisturbed command's CPU time, which other processes change less than elapsed time.
# A signal at the very end finds the command done.
LAST_MOMENT = 0.9


class Command:
    """A command on a warehouse of its own, and how much CPU time it takes undisturbed.

    The warehouse has the same path each time, so that dbt parses the project once.
    """

    def __init__(self, name: str, downloads: Path, folder: Path) -> None:
        self.arguments = (name, downloads)
        self.warehouse = WarehouseUnderTest(folder)
        # What is tested is in the models.
        self.warehouse.env["DBT_RESOURCE_TYPES"] = "seed model"
        self.warehouse.env["PYTHONFAULTHANDLER"] = "1"
        # The first command in a new environment also compiles what it imports.
        if name == "run":
            exit_code, output = self.warehouse.dbt_command("parse")
            assert exit_code == 0, output
        else:
            self.run()
            self.forget()
        self.cpu_s = self.run()
        self.contents = contents(self.warehouse, TABLES)

    def start(self) -> subprocess.Popen:
        return self.warehouse.loader_process(*self.arguments)

    def run(self) -> float:
        """Run it to its end; return the CPU time."""
        before = os.times()
        process = self.start()
        output, errors = process.communicate()
        assert process.returncode == 0, output + errors
        after = os.times()
        return sum(after[2:4]) - sum(before[2:4])

    def forget(self) -> None:
        for file in self.warehouse.path.parent.glob("warehouse.duckdb*"):
            file.unlink()


@pytest.fixture(scope="module")
def downloads(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("downloads")
    for n in (1, 2, 3):
        samples = [f"S{n}_{i}" for i in range(60)]
        genes = [f"ENSG{i:011d}" for i in range(3000)]
        values = [
            [f"{(7 * g + 3 * s * (g + 1) + n) % 97 / 8}" for s in range(60)] for g in range(3000)
        ]
        titles = [TITLES[i % 3] for i in range(60)]
        Study(f"GSE{n}", samples, genes, values, titles).write(folder / f"d{n}")
    return folder


@pytest.fixture(scope="module")
def command(request, downloads, tmp_path_factory) -> Command:
    return Command(request.param, downloads, tmp_path_factory.mktemp(request.param))


@pytest.mark.parametrize(
    ("command", "count"),
    [
        ("ingest", 6),
        ("run", 4),
        pytest.param("ingest", 100, marks=pytest.mark.long),
        pytest.param("run", 100, marks=pytest.mark.long),
    ],
    indirect=["command"],
)
def test_a_signal_at_any_moment(command, count):
    dice = random.Random(count)
    stopped = 0
    for number in range(count):
        command.forget()
        moment_s = (number + dice.random()) / count * LAST_MOMENT * command.cpu_s
        sent = (signal.SIGINT, signal.SIGTERM)[number % 2]
        process = command.start()
        used_s = 0.0
        while process.poll() is None and (used_s := cpu_s(process)) < moment_s:
            time.sleep(0.005)
        process.send_signal(sent)
        if number % 3 == 0:
            # An impatient user.
            time.sleep(dice.uniform(0, 0.3))
            process.send_signal(sent)
        output, errors = ended(process)
        moment = f"{sent.name} after {moment_s:.3f} s of {command.cpu_s:.1f} s\n{output}\n{errors}"
        if process.returncode == -sent and not output:
            # While Python itself was starting.
            assert not command.warehouse.path.exists(), moment
            continue
        if process.returncode == 0:
            # Other processes on its core can lengthen the CPU time, so the shortest counts.
            command.cpu_s = min(command.cpu_s, used_s)
            assert json.loads(output.splitlines()[-1])["step"].endswith("_ended"), moment
            continue
        stopped += 1
        assert process.returncode == 128 + sent, moment
        assert "Traceback" not in errors and "Exception" not in errors, moment
        said = [
            line for line in (output + errors).splitlines() if f"stopped by {sent.name}" in line
        ]
        assert len(said) == 1, moment
        assert '"step": "failed"' not in output, moment
        assert_nothing_is_half_done(command.warehouse, moment)
    assert stopped >= 0.7 * count
    command.run()
    assert contents(command.warehouse, TABLES) == command.contents


def ended(process: subprocess.Popen) -> tuple[str, str]:
    """What a process printed by its end; a process that hangs prints its stacks."""
    try:
        return process.communicate(timeout=120)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGABRT)
        return process.communicate(timeout=60)


def cpu_s(process: subprocess.Popen) -> float:
    with contextlib.suppress(psutil.Error):
        return sum(psutil.Process(process.pid).cpu_times()[:2])
    return 0.0


def assert_nothing_is_half_done(warehouse: WarehouseUnderTest, moment: str) -> None:
    if not warehouse.path.exists():
        return
    tables = {row[0] for row in warehouse.query("select table_name from information_schema.tables")}
    if "meta_etl_process_log" in tables:
        running = "select step from meta.meta_etl_process_log where status = 'RUNNING'"
        assert warehouse.query(running) == [], moment
    if "expression_rows" in tables:
        half = warehouse.query(
            "select batch_id, count(*) from staging.expression_rows group by all"
            " except select batch_id, row_count from staging.batch"
        )
        assert half == [], moment


def child(code: str) -> subprocess.Popen:
    """A process that runs a command line made of `code`, which defines `command()`."""
    run = "from expression_warehouse.core import signals\nimport os, time, sys\n" + code
    run += "\nsignals.run_command_line(lambda: lambda prog_name: command(), 'x')\n"
    return subprocess.Popen(
        [sys.executable, "-c", run], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        cwd=PROJECT, env={**os.environ, "PYTHONPATH": str(PROJECT)},
    )  # fmt: skip


def send(process: subprocess.Popen, *numbers: int) -> tuple[int, str, str]:
    """Send signals once the process has printed a line."""
    assert process.stdout.readline()
    for number in numbers:
        process.send_signal(number)
        time.sleep(0.1)
    output, errors = process.communicate(timeout=60)
    return process.returncode, output, errors


WORK = "print('begun', flush=True); time.sleep(1); print('end', flush=True)"


def test_a_held_block_is_not_cut_in_two():
    code = f"def command():\n  with signals.raising():\n    with signals.held(): {WORK}\n    print('no')"
    assert send(child(code), signal.SIGINT)[:2] == (130, "end\n")


def test_a_raising_block_stops_at_once():
    code = f"def command():\n  with signals.raising(): {WORK}"
    assert send(child(code), signal.SIGTERM) == (
        143,
        "",
        "stopped by SIGTERM; what had ended by then is kept\n",
    )


def test_what_swallows_the_interrupt_changes_no_exit_code():
    code = f"def command():\n  try:\n    with signals.raising(): {WORK}\n  except BaseException: sys.exit(0)"
    assert send(child(code), signal.SIGINT)[0] == 130


def test_an_interrupt_in_a_destructor_is_raised_again():
    code = (
        "class Slow:\n  def __del__(self): print('begun', flush=True); time.sleep(1)\n"
        "def command():\n  with signals.raising():\n    Slow(); time.sleep(20); print('no')"
    )
    code, output, errors = send(child(code), signal.SIGINT)
    assert (code, output) == (130, "")
    assert "Traceback" not in errors


def test_cleaning_up_withstands_a_second_signal_and_a_third_ends_it():
    code = (
        "def command():\n  try:\n    with signals.raising(): print('begun', flush=True); time.sleep(20)\n"
        "  finally: time.sleep(1.5); print('clean', flush=True)"
    )
    assert send(child(code), signal.SIGINT, signal.SIGINT)[:2] == (130, "clean\n")
    assert send(child(code), *[signal.SIGINT] * 3)[:2] == (130, "")
