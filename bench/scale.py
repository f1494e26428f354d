"""How a warehouse of many small studies grows: the next study, a build of nothing, queries."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb

from bench.data import collection
from bench.ingest import console
from bench.pairs import new_table

_PYTHON = Path(sys.executable)
_REPEATS = 5

# What people look at; the parameters are those of the first row.
_QUERIES = {
    "a pair's studies": (
        "select min(pair_key) from fact.fact_gene_pair_metrics",
        "from analytics.vw_pair_study where pair_key = ?",
    ),
    "a gene by cohort": (
        "select min(gene_id) from dim.dim_gene",
        "from analytics.vw_expression_by_cohort where gene_id = ?",
    ),
    "the ranked view": (
        "select min(disease_label) from dim.dim_disease",
        "from analytics.vw_pair_metrics_ranked where disease_label = ? limit 100",
    ),
}


def bench_scale(sizes: list[int], genes: int, samples: int) -> dict[str, float]:
    """Print a column per number of studies; the rows are seconds if they say nothing else.

    Returns what the next study and a build of nothing cost with the most studies, as a ratio to
    that with the fewest.
    """
    measured = [_measured(size, genes, samples) for size in sizes]
    table = new_table(
        f"Studies of {genes:,} genes × {3 * samples:,} samples, ten per disease",
        *("", *(f"{size:,} studies" for size in sizes)),
    )
    for name in measured[0]:
        table.add_row(name, *(figures[name] for figures in measured))
    console.print(table)
    return {
        name: _seconds(measured[-1][name]) / _seconds(measured[0][name])
        for name in ("ingest of the next study", "build of the next study", "build of nothing new")
    }


def _seconds(figure: str) -> float:
    return float(figure.split()[0])


def _measured(studies: int, genes: int, samples: int) -> dict[str, str]:
    folders, config = collection(genes, samples, studies + 1)
    figures = {}
    with tempfile.TemporaryDirectory() as scratch:
        warehouse = Path(scratch) / "warehouse.duckdb"

        def run(name: str, *command: object) -> None:
            seconds, peak_mib = _run(warehouse, *command)
            figures[name] = f"{seconds:.1f} ({peak_mib:,.0f} MiB)"

        ingest = (_PYTHON, "-m", "loader", "ingest", "--config", config)
        build = (_PYTHON.parent / "dbt", "--quiet", "build")
        run("ingest of all", *ingest, *folders[:-1])
        run("first build", *build)
        run("ingest of the next study", *ingest, folders[-1])
        run("build of the next study", *build)
        run("build of nothing new", *build)
        run("the same, of one study", *build, "--select", f"study:{folders[-1].name.split('_')[0]}")
        figures["file, MB"] = f"{warehouse.stat().st_size / 1e6:,.0f}"
        for name, (parameter, query) in _QUERIES.items():
            figures[f"{name}, ms"] = f"{1000 * _query_seconds(warehouse, parameter, query):,.0f}"
    return figures


def _run(warehouse: Path, *command: object) -> tuple[float, float]:
    """Seconds and peak MiB of a command.

    Raises RuntimeError with its output if it fails.
    """
    start = time.perf_counter()
    process = subprocess.Popen(
        [*map(str, command)],
        env={**os.environ, "EXPRESSION_WAREHOUSE_DB": str(warehouse)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise RuntimeError(f"{command} failed:\n{output}")
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def _query_seconds(warehouse: Path, parameter: str, query: str) -> float:
    """The median of some runs, after one that reads the file."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        value = connection.execute(parameter).fetchone()
        taken = []
        for _ in range(_REPEATS + 1):
            start = time.perf_counter()
            connection.execute(query, value).fetchall()
            taken.append(time.perf_counter() - start)
    return statistics.median(taken[1:])
