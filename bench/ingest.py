"""Ingest against its peers, and how it grows."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import rich.console
import rich.table

from bench.data import study, study_by_symbols
from bench.measure import Measurement, measure
from bench.peers import PEERS

LOADER = "python -m loader ingest"
console = rich.console.Console(width=110)


def median(runs: list[Measurement]) -> Measurement:
    return Measurement(
        statistics.median(run.seconds for run in runs), max(run.peak_mib for run in runs)
    )


def run_loader(folder: Path, warehouse: Path) -> Measurement:
    return measure("bench.command_run", "ingest", folder, warehouse=warehouse)


def start_up_seconds() -> float:
    """From the shell to where the loader starts to work."""
    start = time.perf_counter()
    code = (
        "import dbt.cli.main, loader.cli, loader.ingest; "
        "from expression_warehouse.core.warehouse import duckdb, profile, target"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - start


def compare_ingests(genes: int, samples: int, repeats: int) -> dict[str, float]:
    """Print seconds, rows/s, peak memory and size of the file of the loader and each peer, and
    return the ratios."""
    folder = study(genes, samples)
    matrix = next(folder.glob("*/*.tsv"))
    peers = {f"{name}, {shape}": (name, shape) for name in PEERS for shape in PEERS[name]}
    runs: dict[str, list[Measurement]] = {name: [] for name in [LOADER, *peers]}
    megabytes: dict[str, float] = {}
    matrix.read_bytes()
    for repeat in range(repeats):
        names = list(runs)
        for name in names[repeat % len(names) :] + names[: repeat % len(names)]:
            with tempfile.TemporaryDirectory() as scratch:
                file = Path(scratch) / "ingest.duckdb"
                if name == LOADER:
                    run = run_loader(folder, file)
                else:
                    run = measure("bench.peers", *peers[name], matrix, warehouse=file)
                runs[name].append(run)
                megabytes[name] = file.stat().st_size / 1e6
    medians = {name: median(measured) for name, measured in runs.items()}
    own = medians[LOADER].seconds
    table = rich.table.Table(title=f"Ingest of {genes:,} genes × {samples:,} samples")
    for column in ("", "seconds", "rows/s", "peak MiB", "file MB", "loader / peer"):
        table.add_column(column, justify="left" if not column else "right", no_wrap=True)
    for name, result in medians.items():
        table.add_row(
            name,
            f"{result.seconds:.2f}",
            f"{genes * samples / result.seconds:,.0f}",
            f"{result.peak_mib:,.0f}",
            f"{megabytes[name]:.0f}",
            "" if name == LOADER else f"{own / result.seconds:.2f}",
        )
    console.print(table)
    console.print(
        f"Medians of {repeats}, {os.cpu_count()} cores. eight: a table with the columns of"
        " staging.expression_rows, which is a view of the loader's tables.\nnarrow: what the loader"
        " stores. It also hashes and checks the file and keeps the register.\nIts start-up"
        f" (interpreter and imports) is not in it: {start_up_seconds():.2f} s."
    )
    return {f"loader / {name}": own / medians[name].seconds for name in peers}


def compare_ids(genes: int, samples: int, repeats: int) -> None:
    """Print what ids other than Ensembl's cost: the same study in three forms."""
    folders = {
        "Ensembl ids": study(genes, samples),
        "symbols": study_by_symbols(genes, samples, is_beside=False),
        "Ensembl ids and symbols": study_by_symbols(genes, samples, is_beside=True),
    }
    runs: dict[str, list[Measurement]] = {form: [] for form in folders}
    for _ in range(repeats):
        for form, folder in folders.items():
            with tempfile.TemporaryDirectory() as scratch:
                runs[form].append(run_loader(folder, Path(scratch) / "ids.duckdb"))
    medians = {form: median(measured) for form, measured in runs.items()}
    first = next(iter(medians.values())).seconds
    table = rich.table.Table(title=f"Ingest by gene ids: {genes:,} genes × {samples:,} samples")
    for column in ("", "seconds", "ratio", "peak MiB"):
        table.add_column(column, justify="left" if not column else "right", no_wrap=True)
    for form, result in medians.items():
        ratio = f"{result.seconds / first:.2f}"
        table.add_row(form, f"{result.seconds:.2f}", ratio, f"{result.peak_mib:,.0f}")
    console.print(table)


def scale_ingest(genes: int, sample_counts: list[int]) -> None:
    """Print how time and memory grow with the number of values."""
    table = rich.table.Table(title=f"Growth of ingest: {genes:,} genes")
    for column in ("samples", "values", "seconds", "seconds / million", "peak MiB"):
        table.add_column(column, justify="right", no_wrap=True)
    for samples in sample_counts:
        with tempfile.TemporaryDirectory() as scratch:
            run = run_loader(study(genes, samples), Path(scratch) / "growth.duckdb")
        values = genes * samples
        table.add_row(
            f"{samples:,}",
            f"{values:,}",
            f"{run.seconds:.2f}",
            f"{run.seconds / values * 1e6:.3f}",
            f"{run.peak_mib:,.0f}",
        )
    console.print(table)
