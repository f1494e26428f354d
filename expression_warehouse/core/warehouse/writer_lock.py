"""One command at a time writes a DuckDB file; the others wait in the order in which they came.

warehouse.duckdb.lock         locked by the command that writes
warehouse.duckdb.writer.json  says which one that is
warehouse.duckdb.*.waiting    one per command that waits, locked by it; the oldest is the next

The operating system releases a lock when its process dies. The order is by the clock, so that a
clock that is set changes the order, and never lets two commands write.
"""

import contextlib
import json
import os
import re
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import filelock

from expression_warehouse.core import signals
from expression_warehouse.core.clock import utc_now
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.files import os_message
from expression_warehouse.core.redact import without_secrets

# Six runs of an hour at most queue up for a night.
_WAIT_S = 6 * 60 * 60
_POLL_S = 0.05

_guard = threading.RLock()
# What this process holds: the lock of a file, and how many blocks need it.
_held: dict[Path, filelock.FileLock] = {}
_blocks: dict[Path, int] = {}


@contextlib.contextmanager
def held(warehouse: Path, tell_waiting: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock for the length of a block, once it is this command's turn; blocks may nest.

    Raises UserError 4010 if that takes longer than `wait_seconds`, 54302 if no lock can be made.
    """
    path = warehouse.resolve()
    with _guard:
        if not _blocks.get(path):
            _held[path] = _wait_for_turn(path, tell_waiting)
        _blocks[path] = _blocks.get(path, 0) + 1
    try:
        yield
    finally:
        with _guard:
            _blocks[path] -= 1
            if not _blocks[path]:
                with contextlib.suppress(OSError):
                    _writer_file(path).unlink()
                _held.pop(path).release()


def wait_seconds() -> float:
    """How long a command waits for others: EXPRESSION_WAIT_S, six hours without it.

    Raises UserError 54030 if that is not a number.
    """
    text = os.environ.get("EXPRESSION_WAIT_S") or str(_WAIT_S)
    if not re.fullmatch(r"\d+(\.\d+)?", text):
        raise UserError(
            "CONFIG_INVALID",
            f"EXPRESSION_WAIT_S is {text!r}",
            expected="seconds, as 3600",
            action="Correct the environment variable",
        )
    return float(text)


def find_writer(warehouse: Path) -> str | None:
    """Which other command holds the lock, in words; None if no command of this project does."""
    path = warehouse.resolve()
    if path in _held:
        return None
    with contextlib.suppress(OSError, ValueError, KeyError):
        writer = json.loads(_writer_file(path).read_text(encoding="utf-8"))
        if _is_locked(_lock_file(path)):
            return "'{command}' (process {pid} on {host}, since {since} UTC)".format(**writer)
    return None


def _wait_for_turn(path: Path, tell_waiting: Callable[[str], None]) -> filelock.FileLock:
    """The lock, acquired. Removes what commands that died left in the queue."""
    # Another thread may release it.
    lock = filelock.FileLock(_lock_file(path), thread_local=False)
    # The library would make the folder of a path that is mistyped.
    if not path.parent.is_dir():
        raise UserError("LOAD_CONNECTION_FAILED", "there is no such folder", file=str(path.parent))
    place = path.with_name(f"{path.name}.{time.time_ns():020}-{os.getpid()}.waiting")
    budget = wait_seconds()
    end = time.monotonic() + budget
    is_told = False
    try:
        with filelock.FileLock(place):
            try:
                while not (_is_next(path, place) and _acquire(lock)):
                    who = find_writer(path) or "other commands"
                    if time.monotonic() > end:
                        raise UserError(
                            "LOAD_WAREHOUSE_BUSY",
                            f"waited {budget:.0f} s in vain for {who}",
                            file=str(path),
                        )
                    if not is_told:
                        tell_waiting(f"waiting for {who}, at most {budget:.0f} s")
                        is_told = True
                    signals.sleep(_POLL_S)
            finally:
                place.unlink(missing_ok=True)
        _writer_file(path).write_text(json.dumps(_describe_self()), encoding="utf-8")
    except OSError as error:
        lock.release()
        raise UserError(
            "FOLDER_NOT_WRITABLE",
            f"the warehouse cannot be locked by a file beside it: {os_message(error)}",
            file=str(path.parent),
        ) from error
    return lock


def _is_next(path: Path, place: Path) -> bool:
    for earlier in sorted(path.parent.glob(f"{path.name}.*.waiting")):
        if earlier.name >= place.name:
            break
        if _is_locked(earlier):
            return False
        earlier.unlink(missing_ok=True)
    return True


def _is_locked(path: Path) -> bool:
    lock = filelock.FileLock(path)
    is_free = _acquire(lock)
    lock.release()
    return not is_free


def _acquire(lock: filelock.FileLock) -> bool:
    with contextlib.suppress(filelock.Timeout):
        lock.acquire(blocking=False)
    return lock.is_locked


def _describe_self() -> dict[str, str | int]:
    program = Path(sys.argv[0])
    name = f"python -m {program.parent.name}" if program.name == "__main__.py" else program.name
    command = " ".join([name, *sys.argv[1:]])
    return {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": utc_now().isoformat(sep=" ", timespec="seconds"),
        "command": without_secrets(command)[:300],
    }


def _lock_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.lock")


def _writer_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.writer.json")
