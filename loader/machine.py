"""Load, memory and disk of the machine."""

import os
import re
import shutil
from pathlib import Path

_MEMORY = Path("/proc/meminfo")


def read_machine(folder: Path) -> dict[str, float | None]:
    """What a command has here; None for what the system does not tell.

    load_average                    processes that run or wait for a core or a disk, over a minute
    cores                           cores of the machine
    memory_available_bytes, _total  what programs can get without swapping (Linux)
    disk_free_bytes, _total         of the disk with `folder`
    """
    available, total = _memory()
    disk = shutil.disk_usage(folder) if folder.is_dir() else None
    return {
        "load_average": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "cores": os.cpu_count(),
        "memory_available_bytes": available,
        "memory_total_bytes": total,
        "disk_free_bytes": disk.free if disk else None,
        "disk_total_bytes": disk.total if disk else None,
    }


def _memory() -> tuple[int | None, int | None]:
    try:
        lines = dict(re.findall(r"^(\w+): +(\d+) kB$", _MEMORY.read_text(), re.MULTILINE))
    except OSError:
        return None, None
    available, total = lines.get("MemAvailable"), lines.get("MemTotal")
    return _bytes(available), _bytes(total)


def _bytes(kibibytes: str | None) -> int | None:
    return int(kibibytes) * 1024 if kibibytes else None
