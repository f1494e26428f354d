"""Time and memory of a process of its own."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Measurement:
    """seconds: of the work, without the start of the interpreter and its imports; peak_mib: peak
    resident set size of the process."""

    seconds: float
    peak_mib: float


def measure(module: str, *arguments: object, warehouse: Path) -> Measurement:
    """Run `python -m module arguments`, which prints its seconds of work as JSON on its last line.

    Raises RuntimeError with its output if it fails.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", module, *map(str, arguments)],
        env={**os.environ, "EXPRESSION_WAREHOUSE_DB": str(warehouse)},
        stdout=subprocess.PIPE,
        text=True,
    )
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise RuntimeError(
            f"{module} {arguments} ended with {os.waitstatus_to_exitcode(status)}:\n{output}"
        )
    return Measurement(json.loads(output.splitlines()[-1])["seconds"], usage.ru_maxrss / 1024)
