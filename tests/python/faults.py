"""Errors of the disk and of DuckDB at a chosen call of a command that runs in this process.

A call is one that opens, makes, renames, links or removes a file below a folder, that flushes a file to
the disk, or a statement of DuckDB. Python reports the first kind to audit hooks, which can refuse them;
the two others are wrapped.
"""

import contextlib
import errno
import functools
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import duckdb

_FILE_CALLS = {
    "open", "os.rename", "os.link", "os.mkdir", "os.remove", "os.rmdir", "os.truncate", "os.chmod",
    "os.scandir",
}  # fmt: skip
_STATEMENTS = ("execute", "executemany", "sql", "begin", "commit")


class Faults:
    """Counts the calls below a folder, and lets one fail.

    at      the number of that call, from 0; None to count only
    calls   what was called, in order
    """

    def __init__(self, folder: Path, at: int | None = None) -> None:
        self._folder = str(folder)
        self._at = at
        self._lock = threading.Lock()
        self.calls: list[str] = []

    def file_call(self, name: str, path: Any) -> None:
        if self._is_below(path) and self._is_due(name):
            code = (errno.ENOSPC, errno.EIO)[len(self.calls) % 2]
            raise OSError(code, os.strerror(code), str(path))

    def statement(self, name: str) -> None:
        if self._is_due(f"duckdb {name}"):
            raise duckdb.IOException(
                'IO Error: Could not write file "warehouse.duckdb": No space left on device'
            )

    def _is_due(self, name: str) -> bool:
        with self._lock:
            self.calls.append(name)
            return len(self.calls) - 1 == self._at

    def _is_below(self, path: Any) -> bool:
        if isinstance(path, int):
            with contextlib.suppress(OSError):
                path = Path(f"/proc/self/fd/{path}").readlink()
        try:
            return os.fspath(path).startswith(self._folder)
        except TypeError:
            return False


_current: Faults | None = None


def _hook(event: str, arguments: tuple) -> None:
    if _current is not None and event in _FILE_CALLS:
        _current.file_call(event, arguments[0])


# It cannot be removed.
_install = functools.cache(lambda: sys.addaudithook(_hook))


@contextlib.contextmanager
def injected(faults: Faults) -> Iterator[None]:
    """All calls of this process go through `faults`, for the length of the block."""
    global _current
    _install()
    fsync = os.fsync

    def flush(file: int) -> None:
        faults.file_call("os.fsync", file)
        fsync(file)

    connect = duckdb.connect
    with (
        mock.patch.object(os, "fsync", flush),
        mock.patch.object(duckdb, "connect", lambda *a, **k: _Connection(connect(*a, **k), faults)),
    ):
        _current = faults
        try:
            yield
        finally:
            _current = None


class _Connection:
    """A connection of DuckDB, or a cursor, whose statements can fail."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, faults: Faults) -> None:
        # Statements that read a variable of Python find it behind this module's own frames.
        connection.execute("set python_scan_all_frames = true")
        self._connection = connection
        self._faults = faults

    def cursor(self) -> "_Connection":
        return _Connection(self._connection.cursor(), self._faults)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._connection, name)
        return functools.partial(self._call, name, value) if name in _STATEMENTS else value

    def _call(self, name: str, call: Callable, *args: Any, **kwargs: Any) -> Any:
        self._faults.statement(name)
        return call(*args, **kwargs)

    def __enter__(self) -> "_Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()
