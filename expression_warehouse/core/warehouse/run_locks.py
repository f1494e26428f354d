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
    """Mark a run as alive until `release_all` or the end of this process; return whether that is
    new. A folder that cannot be written leaves the run unmarked."""
    path = warehouse.with_name(f"{warehouse.name}.{run_id}{_SUFFIX}")
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
    """Runs whose process died; their lock files are removed."""
    dead = []
    for path in warehouse.parent.glob(f"{warehouse.name}.*{_SUFFIX}"):
        lock = filelock.FileLock(path)
        with contextlib.suppress(OSError, filelock.Timeout), lock.acquire(blocking=False):
            path.unlink()
            dead.append(path.name.removeprefix(f"{warehouse.name}.").removesuffix(_SUFFIX))
    return sorted(dead)


def release_all() -> None:
    """The runs of this process have ended."""
    with _guard:
        for path, lock in _held.items():
            with contextlib.suppress(OSError):
                path.unlink()
            lock.release()
        _held.clear()
