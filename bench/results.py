"""The ratios that a benchmark measured last, in bench/results, and what has become worse since."""

import datetime
import json
import os
import platform
from importlib.metadata import version
from pathlib import Path

import psutil

from bench.ingest import console

_RESULTS = Path(__file__).parent / "results"
_PACKAGES = ("dbt-core", "duckdb", "numpy", "pandas", "polars", "pyarrow", "scipy")
# Medians of alternating runs differ by less on a quiet machine.
_NOISE = 1.15


def keep(benchmark: str, ratios: dict[str, float]) -> None:
    """Print the ratios that are worse than those of the file, and write the new ones into it.

    ratios  what is measured → its ratio to a peer or to a smaller size; less is better
    """
    file = _RESULTS / f"{benchmark}.json"
    if file.exists():
        before = json.loads(file.read_text())
        for line in worse(before["ratios"], ratios):
            console.print(f"{line} (since {before['measured_on']})")
    _RESULTS.mkdir(exist_ok=True)
    result = {
        "measured_on": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": {
            "system": platform.system(),
            "processor": platform.machine(),
            "cores": os.cpu_count(),
            "memory_gb": round(psutil.virtual_memory().total / 1e9),
        },
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in _PACKAGES},
        },
        "ratios": {name: round(ratio, 3) for name, ratio in ratios.items()},
    }
    file.write_text(json.dumps(result, indent=2) + "\n")


def worse(before: dict[str, float], now: dict[str, float]) -> list[str]:
    """A line per ratio that has grown by more than noise."""
    return [
        f"worse: {name} is {now[name]:.2f}, was {ratio:.2f}"
        for name, ratio in before.items()
        if name in now and now[name] > _NOISE * ratio
    ]
