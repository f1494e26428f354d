"""Time and memory of a process of its own."""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Measurement:
    """seconds: of the work; peak_mib: peak resident set size of the process."""

    seconds: float
    peak_mib: float


def measure(module: str, *arguments: object, warehouse: Path) -> Measurement:
    """Run `python -m module arguments`, which prints its seconds of work as JSON on its last line:
    without the start of the interpreter and its imports.

    Raises RuntimeError with its output if it fails.
    """
    output, whole = measure_command(sys.executable, "-m", module, *arguments, warehouse=warehouse)
    return Measurement(json.loads(output.splitlines()[-1])["seconds"], whole.peak_mib)


def measure_command(*command: object, warehouse: Path) -> tuple[str, Measurement]:
    """Run a command; return its output, and its seconds and memory with its start.

    Raises RuntimeError with its output if it fails.
    """
    start = time.perf_counter()
    process = subprocess.Popen(
        [*map(str, command)],
        env={**os.environ, "EXPRESSION_WAREHOUSE_DB": str(warehouse)},
        stdout=subprocess.PIPE,
        text=True,
    )
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise RuntimeError(f"{command} ended with {os.waitstatus_to_exitcode(status)}:\n{output}")
    return output, Measurement(time.perf_counter() - start, usage.ru_maxrss / 1024)
