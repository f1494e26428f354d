"""The API under load: an open loop, in which a slow answer does not put off the next request."""

import asyncio
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import psutil

from bench.api_warehouse import write_warehouse
from bench.ingest import console
from bench.measure import peak_bytes
from expression_warehouse.core.snapshot import Snapshot, publish

_LINE = "{:<22} {:>11} {:<28} {:>8} {:>9} {:>6} {:>10} {:>6} {:>7}"
_HEADS = (
    "service", "starts in s", "path", "a second", "median ms", "p95 ms", "CPU ms", "failed",
    "peak MB",
)  # fmt: skip
# Seconds until a request counts as failed.
_PATIENCE = 60


@dataclass(frozen=True)
class Load:
    """What became of the requests of an open loop.

    seconds   of each request that was answered
    failures  what happened to the others → how often
    """

    seconds: list[float]
    failures: Counter[str]


def bench_api(pairs: int, genes: int, samples: int, seconds: int) -> None:
    """Print seconds, bytes and memory of the service on a made-up warehouse, and of a bare service
    that selects the same rows."""
    with tempfile.TemporaryDirectory() as folder:
        warehouse = Path(folder) / "big.duckdb"
        write_warehouse(_template(Path(folder)), warehouse, genes, samples, pairs)
        snapshot, published = publish(warehouse, console.print)
        console.print(
            f"{pairs:,} pairs and {genes * samples:,} values; snapshot of"
            f" {snapshot.path.stat().st_size / 1e6:,.0f} MB in {published:.1f} s"
        )
        console.print(_LINE.format(*_HEADS))
        # A page correlates two genes in all cohorts; a list finds rows.
        for name, command, rates in (
            ("this", ["-m", "expression_warehouse", "api", "serve"], {_top: 20, _pair: 10}),
            ("bare FastAPI + DuckDB", ["-m", "bench.api_peer", str(snapshot.path)], {_top: 20}),
        ):
            for row in _measured(name, command, rates, warehouse, pairs, seconds):
                # At once: a run takes minutes.
                console.print(_LINE.format(*row))


def _template(folder: Path) -> Path:
    """A snapshot of a warehouse without studies: the relations and the seeds' rows."""
    path = folder / "empty.duckdb"
    env = {**os.environ, "EXPRESSION_WAREHOUSE_DB": str(path)}
    dbt = Path(sys.executable).parent / "dbt"
    kinds = ["--resource-type", "seed", "--resource-type", "model"]
    subprocess.run([dbt, "--quiet", "build", *kinds], env=env, check=True)
    made: Snapshot = publish(path, console.print)[0]
    return made.path


def _top(dice: random.Random, _pairs: int) -> str:
    return (
        f"/api/v1/analytics/pairs/top?limit=100&q={dice.uniform(0.05, 1):.6f}"
        f"&i2_max={dice.uniform(50, 100):.4f}&k_min={dice.randint(2, 8)}"
        f"&q_basis={dice.choice(['hk', 'spec', 'dependent'])}"
    )


def _pair(dice: random.Random, pairs: int) -> str:
    return f"/pairs/{dice.randint(1, pairs)}"


def _measured(
    name: str,
    command: list[str],
    rates: dict[Callable[[random.Random, int], str], int],
    warehouse: Path,
    pairs: int,
    seconds: int,
) -> Iterator[list[str]]:
    """Rows to print of a service under load.

    rates  what makes a path → requests per second
    """
    with _service(command, warehouse) as (address, process, started):
        for number, (path, per_second) in enumerate(rates.items()):
            dice = random.Random(number)
            # The first requests also read the file for the first time.
            first = [path(dice, pairs) for _ in range(per_second)]
            asyncio.run(open_loop(address, first, per_second))
            requests = [path(dice, pairs) for _ in range(seconds * per_second)]
            before = _cpu_seconds(process)
            load = asyncio.run(open_loop(address, requests, per_second))
            used = _cpu_seconds(process) - before
            for failure, count in load.failures.items():
                console.print(f"{count} × {failure}")
            yield [
                name,
                f"{started:.1f}",
                requests[0].partition("?")[0].rstrip("0123456789"),
                per_second,
                _milliseconds(load.seconds, 0.5),
                _milliseconds(load.seconds, 0.95),
                f"{1000 * used / len(requests):.0f}",
                load.failures.total(),
                f"{peak_bytes(process.pid) / 1e6:.0f}",
            ]


def _milliseconds(seconds: list[float], quantile: float) -> str:
    return f"{1000 * np.quantile(seconds, quantile):.0f}" if seconds else "–"


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


@contextmanager
def _service(command: list[str], warehouse: Path) -> Iterator[tuple[str, psutil.Process, float]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    is_own = "serve" in command
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, *command, *(["--port", port] if is_own else [port])],
        env={**os.environ, "EXPRESSION_WAREHOUSE_DB": str(warehouse)},
        stdout=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        while True:
            try:
                httpx.get(f"{address}/api/v1/health").raise_for_status()
                break
            except httpx.TransportError:
                if process.poll() is not None:
                    raise
                time.sleep(0.01)
        yield address, psutil.Process(process.pid), time.monotonic() - began
    finally:
        process.terminate()
        process.wait()


async def open_loop(address: str, paths: list[str], per_second: int) -> Load:
    """Send the requests at a fixed rate, whatever becomes of those before."""
    load = Load([], Counter())
    # A pool that is full would put off requests, and its error would hide that of the service.
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=address, timeout=_PATIENCE, limits=limits) as client:

        async def ask(path: str, delay: float) -> None:
            await asyncio.sleep(delay)
            began = time.perf_counter()
            try:
                answer = await client.get(path)
            except httpx.TransportError as error:
                load.failures[type(error).__name__] += 1
                return
            if answer.is_success:
                load.seconds.append(time.perf_counter() - began)
            else:
                load.failures[f"{answer.status_code} {answer.text[:200]}"] += 1

        places = enumerate(paths)
        await asyncio.gather(*(ask(path, place / per_second) for place, path in places))
    return load
