"""A screen of all pairs against what it cannot be faster than and against its peers, and the build
of the pairs that it keeps."""

import json
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb
import numpy as np
from scipy import stats

from bench import pooling
from bench.ingest import console
from bench.measure import measure
from bench.pairs import MODELS, Size, Warehouses, new_table
from bench.screen_run import simulate

# Parts of a screen.
_PARTS = ("ranks", "scan", "rates")
# Pairs or groups that a peer does; what all would take is extrapolated.
_SQL_PAIRS, _SCIPY_GENES, _POOLED = 20_000, 500, 200_000


def bench_screen(sizes: list[int], studies: int, samples: int) -> None:
    """Print the parts of a screen for each number of genes; for the greatest also its peers, and
    the command with the build that follows it."""
    reports = {genes: _screen(genes, studies, samples) for genes in sizes}
    _print_parts(reports, studies, samples)
    _print_peers(max(sizes), reports[max(sizes)], studies, samples)
    _print_build(max(sizes), studies, samples)


def _screen(genes: int, studies: int, samples: int) -> dict:
    with tempfile.TemporaryDirectory() as scratch:
        arguments = [*map(str, (genes, studies, samples)), scratch]
        output = subprocess.run(
            [sys.executable, "-m", "bench.screen_run", *arguments],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout
    return json.loads(output.splitlines()[-1])


def _print_parts(reports: dict[int, dict], studies: int, samples: int) -> None:
    table = new_table(
        f"Screen: all pairs × {studies} studies × 3 cohorts of {samples} samples",
        *("genes", "pairs", "", "seconds", "CPU seconds", "times its products", "peak MiB"),
    )
    for genes, report in reports.items():
        parts = report["parts"]
        ours = {key: sum(parts[name][key] for name in _PARTS) for key in ("wall", "cpu")}
        shown = {
            "R Rᵀ of each study and cohort (BLAS)": parts["blas"],
            "its half that the screen takes": parts["products"],
            "screen": ours,
            **{f"  {name}": parts[name] for name in _PARTS},
        }
        for i, (name, part) in enumerate(shown.items()):
            table.add_row(
                f"{genes:,}" if i == 0 else "",
                f"{genes * (genes - 1) // 2:,}" if i == 0 else "",
                name,
                f"{part['wall']:.1f}",
                f"{part['cpu']:.1f}",
                f"{part['cpu'] / parts['products']['cpu']:.2f}",
                f"{report['peak_mib']:,.0f}" if name == "screen" else "",
            )
    console.print(table)
    console.print(
        "scan is the matrix products again, Fisher's z, contrasts, pooling, counting"
        "\nstatistics. CPU seconds are of all processors, and say more"
        " where others\nuse them too."
    )


def _print_peers(genes: int, report: dict, studies: int, samples: int) -> None:
    pairs = genes * (genes - 1) // 2
    seconds = {"screen": report["seconds"]}
    with tempfile.TemporaryDirectory() as scratch:
        size = Size(_SQL_PAIRS, studies, samples)
        run = Warehouses(Path(scratch), size).run(size).total
        seconds[f"the models, DuckDB (from {size.exact_pairs:,} pairs)"] = (
            run.seconds * pairs / size.exact_pairs
        )
    name = f"scipy spearmanr, correlations alone (from {_SCIPY_GENES} genes)"
    seconds[name] = _spearmanr(studies, samples) * pairs / (_SCIPY_GENES * (_SCIPY_GENES - 1) // 2)
    absent = {}
    for name in pooling.CONTESTANTS:
        if not name.startswith(("PyMARE", "metafor")):
            continue
        if reason := pooling.missing(name):
            absent[name] = reason
            continue
        with tempfile.TemporaryDirectory() as scratch:
            file = Path(scratch) / "pool.duckdb"
            one = measure("bench.pooling", name, _POOLED, studies, warehouse=file)
        label = f"{name}, pooling alone (from {_POOLED:,} groups)"
        seconds[label] = one.seconds * 2 * pairs / _POOLED
    table = new_table(f"All {pairs:,} pairs", "", "seconds", "times the screen")
    for name, one in seconds.items():
        table.add_row(name, f"{one:,.0f}", f"{one / seconds['screen']:,.1f}")
    console.print(table)
    for name, reason in absent.items():
        console.print(f"{name} was not run: {reason}.")


def _print_build(genes: int, studies: int, samples: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        warehouse = Warehouses(folder, Size(math.comb(genes, 2), studies, samples)).loaded(studies)
        screen = ("pairs", "screen", "--disease", "SEPSIS", "--work", folder / "work")
        build = ("build", folder / "target", "{}", MODELS)
        steps = {
            "expression-warehouse pairs screen": ("bench.command_run", *screen),
            "dbt build": ("bench.dbt_run", *build),
        }
        table = new_table(f"{genes:,} genes, from the warehouse", "", "seconds", "peak MiB")
        for name, step in steps.items():
            run = measure(*step, warehouse=warehouse)
            table.add_row(name, f"{run.seconds:.1f}", f"{run.peak_mib:,.0f}")
        with duckdb.connect(str(warehouse), read_only=True) as connection:
            ((pairs,),) = connection.sql(
                "select count(*) from fact.fact_gene_pair_metrics"
            ).fetchall()
    console.print(table)
    console.print(f"The build computes and tests the {pairs:,} pairs that the screen kept.")


def _spearmanr(studies: int, samples: int) -> float:
    """Seconds for the correlation matrices of a few genes in all studies and groups."""
    spent = 0.0
    for groups in simulate(_SCIPY_GENES, studies, samples):
        for values in groups:
            start = time.perf_counter()
            stats.spearmanr(np.asarray(values), axis=1)
            spent += time.perf_counter() - start
    return spent
