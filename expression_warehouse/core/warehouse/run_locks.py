"""Lock files beside a DuckDB file, one per run. The operating system releases a lock when its
process dies.

warehouse.duckdb.<run_id>.running
"""

import contextlib
import threading
from pathlib import Path

import filelock

_SUFFIX = ".running"
_guard = threading.Lock()
_held: dict[Path, filelock.FileLock] = {}


def hold(warehouse: Path, run_id: str) -> bool:
    """Mark a run as alive until its release or the end of this process; return whether that is
    new. A folder that cannot be written leaves the run unmarked."""
    path = _lock_file(warehouse, run_id)
    with _guard:
        if path in _held:
            return False
        lock = filelock.FileLock(path)
        try:
            lock.acquire(blocking=False)
        except (OSError, filelock.Timeout):
            return True
        _held[path] = lock
    return True


def find_dead(warehouse: Path) -> list[str]:
    """Runs whose process died; their lock files are removed. A folder that cannot be read has
    none."""
    dead = []
    paths: list[Path] = []
    with contextlib.suppress(OSError):
        paths = list(warehouse.parent.glob(f"{warehouse.name}.*{_SUFFIX}"))
    for path in paths:
        lock = filelock.FileLock(path)
        with contextlib.suppress(OSError, filelock.Timeout), lock.acquire(blocking=False):
            path.unlink()
            dead.append(path.name.removeprefix(f"{warehouse.name}.").removesuffix(_SUFFIX))
    return sorted(dead)


def release(warehouse: Path, run_id: str) -> None:
    """A run of this process has ended."""
    with _guard:
        _release(_lock_file(warehouse, run_id))


def release_all() -> None:
    """All runs of this process have ended."""
    with _guard:
        for path in tuple(_held):
            _release(path)


def _lock_file(warehouse: Path, run_id: str) -> Path:
    return warehouse.with_name(f"{warehouse.name}.{run_id}{_SUFFIX}")


def _release(path: Path) -> None:
    if lock := _held.pop(path, None):
        with contextlib.suppress(OSError):
            path.unlink()
        lock.release()
