"""How a warehouse of many small studies grows: the next study, a build of nothing, queries."""

import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import duckdb

from bench.data import collection
from bench.ingest import console
from bench.measure import Measurement, measure_command
from bench.pairs import new_table

_PYTHON = Path(sys.executable)
_REPEATS = 5

# What people look at: the settings of the session, and the query.
_QUERIES = {
    "a pair's studies": (
        "set variable pair_key = (select min(pair_key) from fact.fact_gene_pair_metrics)",
        "from analytics.vw_pair_study",
    ),
    "a gene by cohort": (
        "set variable gene = (select min(gene_id) from dim.dim_gene)",
        "from analytics.vw_expression_by_cohort where gene_id = getvariable('gene')",
    ),
    "the ranked view": (
        "set variable disease = 'D0'; set variable q = 1; set variable i2_max = 100",
        "from analytics.vw_pair_metrics_ranked limit 100",
    ),
}


@dataclass(frozen=True)
class Growth:
    """Measurements on a warehouse with some number of studies.

    commands  what was done → its time and memory
    file_mb   size of the warehouse
    queries   what people look at → seconds
    """

    commands: dict[str, Measurement]
    file_mb: float
    queries: dict[str, float]


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
    first, last = measured[0], measured[-1]
    for name in first.commands:
        runs = (growth.commands[name] for growth in measured)
        table.add_row(name, *(f"{run.seconds:.1f} ({run.peak_mib:,.0f} MiB)" for run in runs))
    table.add_row("file, MB", *(f"{growth.file_mb:,.0f}" for growth in measured))
    for name in first.queries:
        table.add_row(
            f"{name}, ms", *(f"{1000 * growth.queries[name]:,.0f}" for growth in measured)
        )
    console.print(table)
    return {
        "ingest and build of the next study": _ratio(
            last, first, "ingest of the next study", "build of the next study"
        ),
        "build of nothing new": _ratio(last, first, "build of nothing new"),
    }


def _ratio(last: Growth, first: Growth, *commands: str) -> float:
    of_last, of_first = (sum(g.commands[name].seconds for name in commands) for g in (last, first))
    return of_last / of_first


def _measured(studies: int, genes: int, samples: int) -> Growth:
    folders, config = collection(genes, samples, studies + 1)
    next_study = folders[-1].name.split("_")[0]
    ingest = (_PYTHON, "-m", "loader", "ingest", "--config", config)
    build = (_PYTHON.parent / "dbt", "--quiet", "build")
    commands = {
        "ingest of all": (*ingest, *folders[:-1]),
        "first build": build,
        "ingest of the next study": (*ingest, folders[-1]),
        "build of the next study": build,
        "build of nothing new": build,
        "the same, of one study": (*build, "--select", f"study:{next_study}"),
    }
    with tempfile.TemporaryDirectory() as scratch:
        warehouse = Path(scratch) / "warehouse.duckdb"
        return Growth(
            {
                name: measure_command(*command, warehouse=warehouse)[1]
                for name, command in commands.items()
            },
            warehouse.stat().st_size / 1e6,
            {name: _query_seconds(warehouse, *query) for name, query in _QUERIES.items()},
        )


def _query_seconds(warehouse: Path, settings: str, query: str) -> float:
    """The median of some runs, after one that reads the file.

    Raises RuntimeError if there is no row: that says nothing of a query with rows.
    """
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        connection.execute(settings)
        if not connection.execute(query).fetchall():
            raise RuntimeError(f"no rows {query}")
        taken = []
        for _ in range(_REPEATS):
            start = time.perf_counter()
            connection.execute(query).fetchall()
            taken.append(time.perf_counter() - start)
    return statistics.median(taken)
