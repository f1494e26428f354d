"""Time and memory of a process of its own."""

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil


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
    with tempfile.TemporaryFile("w+") as output:
        start, peak = time.perf_counter(), 0
        process = subprocess.Popen(
            [*map(str, command)],
            env={**os.environ, "EXPRESSION_WAREHOUSE_DB": str(warehouse)},
            stdout=output,
        )
        while process.poll() is None:
            peak = max(peak, peak_bytes(process.pid))
            time.sleep(0.005)
        seconds = time.perf_counter() - start
        output.seek(0)
        text = output.read()
    if process.returncode != 0:
        raise RuntimeError(f"{command} ended with {process.returncode}:\n{text}")
    return text, Measurement(seconds, peak / 2**20)


def peak_bytes(pid: int) -> int:
    """The most memory that a process has had so far; 0 if it has ended. Where the system does not
    tell, what it has now.

    What the system tells of an ended child is of no use: it counts the memory of the process that
    started it.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        try:
            return psutil.Process(pid).memory_info().rss
        except psutil.Error:
            return 0
    line = next((line for line in status.splitlines() if line.startswith("VmHWM")), "VmHWM: 0")
    return int(line.split()[1]) * 1024
