"""Commands in a process of their own, which starts without importing everything again and can be
killed at a chosen step.

A step is a call of DuckDB. In an undisturbed run the process records how long each took; other runs
can then die before any of these calls, or within one.
"""

import contextlib
import functools
import itertools
import json
import multiprocessing
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any
from unittest import mock

import duckdb
from lean_dbt import lean_dbt
from manifest_cache import shared_manifests

PROJECT = Path(__file__).parents[2]

# A process is forked from one that has imported these and nothing else: it has no threads.
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    ["loader.cli", "loader.run", "loader.build", "dbt.cli.main", "dbt.adapters.duckdb"]
)

_STEPS = ("execute", "executemany", "begin", "commit", "rollback", "close")


@dataclass(frozen=True)
class Death:
    """SIGKILL at a step, which counts from 0; `seconds` after it began, or right before it (0)."""

    step: int
    seconds: float = 0


def deaths(durations: Sequence[float], count: int, seed: int) -> list[Death]:
    """`count` different steps of a run, the first and the last among them; every other death is
    within the step."""
    dice = random.Random(seed)
    last = len(durations) - 1
    steps = sorted([0, last, *dice.sample(range(1, last), count - 2)])
    return [
        Death(step, dice.random() * durations[step] if number % 2 else 0)
        for number, step in enumerate(steps)
    ]


@dataclass(frozen=True)
class Command:
    """`expression-warehouse …`, `python -m loader …` or `dbt …` of a warehouse under test.

    program    console, loader, dbt, or narrow_loader, whose runs build the expression fact alone
    env        the environment, whole
    manifests  the folder that dbt's parsed project and compiled templates are shared in
    """

    program: str
    arguments: tuple[str, ...]
    env: Mapping[str, str]
    manifests: Path

    def start(self) -> BaseProcess:
        """Start it; the caller joins the process, whose `exitcode` is the command's."""
        return self._start(None, None, Path(os.devnull))

    def durations(self, folder: Path) -> list[float]:
        """Run to the end; return the seconds of each step. Raises AssertionError if it fails."""
        report, output = folder / "steps.json", folder / "output.txt"
        process = self._start(None, report, output)
        process.join()
        assert process.exitcode == 0, output.read_text()
        return json.loads(report.read_text())

    def die(self, death: Death) -> None:
        """Run until the death. Raises AssertionError if the process ends in another way."""
        process = self._start(death, None, Path(os.devnull))
        process.join()
        assert process.exitcode == -signal.SIGKILL, death

    def die_in(self, function: str) -> None:
        """Run until a function is called, named with its module. Raises AssertionError if the
        process ends in another way."""
        process = _FORKS.Process(target=_main_to_function, args=(self, function))
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL, function

    def die_before_change(self, number: int, output: Path) -> bool:
        """Run until right before the numberth change of a file's name or flush to the disk, from 1.

        Returns False if it ended before, with success. Raises AssertionError if it failed.
        """
        process = _FORKS.Process(target=_main_to_change, args=(self, number, output))
        process.start()
        process.join()
        assert process.exitcode in (0, -signal.SIGKILL), output.read_text()
        return process.exitcode != 0

    def _start(self, death: Death | None, report: Path | None, output: Path) -> BaseProcess:
        process = _FORKS.Process(target=_main, args=(self, death, report, output))
        process.start()
        return process


def _main(command: Command, death: Death | None, report: Path | None, output: Path) -> None:
    """The forked process."""
    os.environ.clear()
    os.environ.update(command.env)
    os.chdir(PROJECT)
    steps = _Steps(death)
    duckdb.connect = steps.connect
    with (
        output.open("w") as file,
        contextlib.redirect_stdout(file),
        contextlib.redirect_stderr(file),
        shared_manifests(command.manifests),
        lean_dbt(command.manifests),
    ):
        exit_code = _PROGRAMS[command.program](command.arguments)
    if report:
        report.write_text(json.dumps(steps.durations))
    sys.exit(exit_code)


def _main_to_function(command: Command, function: str) -> None:
    """The forked process, which dies in a function."""
    with mock.patch(function, lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)):
        _main(command, None, None, Path(os.devnull))


def _main_to_change(command: Command, number: int, output: Path) -> None:
    """The forked process, which dies before a change of files."""
    changes = itertools.count(1)

    def dying(call: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(call)
        def change(*args: Any, **kwargs: Any) -> Any:
            if next(changes) == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **kwargs)

        return change

    for owner, name in (
        (Path, "replace"), (Path, "rename"), (Path, "unlink"), (Path, "hardlink_to"), (os, "fsync"),
    ):  # fmt: skip
        setattr(owner, name, dying(getattr(owner, name)))
    _main(command, None, None, output)


def _console(arguments: Sequence[str]) -> int:
    from expression_warehouse.cli import main

    return _exit_code(main, arguments)


def _loader(arguments: Sequence[str]) -> int:
    from loader.cli import main

    return _exit_code(main, arguments)


def _exit_code(main: Callable[[Sequence[str]], None], arguments: Sequence[str]) -> int:
    try:
        main(arguments)
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def _narrow_loader(arguments: Sequence[str]) -> int:
    import pytest
    from conftest import EXPRESSION, narrow_runs

    with pytest.MonkeyPatch.context() as monkeypatch:
        narrow_runs(monkeypatch, *EXPRESSION)
        return _loader(arguments)


def _dbt(arguments: Sequence[str]) -> int:
    from dbt.cli.main import dbtRunner

    return 0 if dbtRunner().invoke(list(arguments)).success else 1


_PROGRAMS: dict[str, Callable[[Sequence[str]], int]] = {
    "console": _console,
    "loader": _loader,
    "narrow_loader": _narrow_loader,
    "dbt": _dbt,
}


class _Steps:
    """Counts the steps of all connections of this process, and dies at one of them."""

    def __init__(self, death: Death | None) -> None:
        self._death = death
        self._lock = threading.Lock()
        self._connect = duckdb.connect
        self.durations: list[float] = []

    def connect(self, *args: Any, **kwargs: Any) -> "_Connection":
        return _Connection(self._connect(*args, **kwargs), self)

    def step(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        with self._lock:
            number = len(self.durations)
            self.durations.append(0)
        is_last = self._death is not None and self._death.step == number
        if is_last:
            self._die_after(self._death.seconds)
        start = time.perf_counter()
        try:
            return call(*args, **kwargs)
        finally:
            self.durations[number] = time.perf_counter() - start
            if is_last:
                # It took less time than in the undisturbed run.
                self._die_after(0)

    @staticmethod
    def _die_after(seconds: float) -> None:
        if seconds == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGKILL))
        timer.daemon = True
        timer.start()


class _Connection:
    """A connection of DuckDB, or a cursor, whose calls are steps."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, steps: _Steps) -> None:
        # Statements that read a variable of Python find it behind this module's own frames.
        connection.execute("set python_scan_all_frames = true")
        self._connection = connection
        self._steps = steps

    def cursor(self) -> "_Connection":
        return _Connection(self._connection.cursor(), self._steps)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._connection, name)
        return functools.partial(self._steps.step, value) if name in _STEPS else value

    def __enter__(self) -> "_Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
