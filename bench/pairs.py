"""Pair metrics and their pooling against peers, and how they grow."""

import json
import math
import os
import re
import shutil
import statistics
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import rich.table

from bench import pooling
from bench.data import panel
from bench.fact import dbt, ingest
from bench.ingest import console, median
from bench.measure import Measurement, measure

# A loaded warehouse has all that does not depend on slices; the rest is timed.
OF_SLICES = "int_slice+"
MODELS = f"{OF_SLICES},+fact_gene_pair_metrics"
OURS, PEER = "the models (DuckDB)", "numpy and scipy"
# Columns of the peer that are compared with ours at 1e-8; all others at 1e-9.
LOOSE = "p_|q_|combined_p|neglog_q_|.*_q_p$"
# Columns that depend on the signs of the studies' estimates.
OF_SIGNS = "kappa_|direction_consistency|consistency_score"
_HAS_ZERO = "coalesce(o.least_difference < 1e-12, false)"


@dataclass(frozen=True)
class Size:
    """samples is of each of the three cohorts."""

    pairs: int
    studies: int
    samples: int

    @property
    def genes(self) -> int:
        """As few as make that many pairs."""
        return math.ceil((1 + math.sqrt(1 + 8 * self.pairs)) / 2)

    @property
    def exact_pairs(self) -> int:
        """Pairs of so many genes."""
        return math.comb(self.genes, 2)


@dataclass(frozen=True)
class Run:
    total: Measurement
    models: dict[str, float]


class Warehouses:
    """Loaded warehouses without pair metrics, one a number of studies; each grows out of the
    greatest one that is smaller."""

    def __init__(self, scratch: Path, size: Size) -> None:
        self._scratch, self._size = scratch, size
        self._loaded: dict[int, Path] = {}

    def loaded(self, studies: int) -> Path:
        if studies not in self._loaded:
            warehouse = self._scratch / f"loaded_{studies}.duckdb"
            smaller = [self._loaded[known] for known in sorted(self._loaded) if known < studies]
            seeds = () if smaller else ("--resource-type", "seed")
            if smaller:
                shutil.copy(smaller[-1], warehouse)
            folders, config = panel(self._size.genes, self._size.samples, studies)
            ingest(warehouse, *folders, "--config", config)
            others = ("--select", "+fact_gene_pair_metrics", "--exclude", OF_SLICES)
            dbt(warehouse, "build", *others, "--resource-type", "model", *seeds)
            self._loaded[studies] = warehouse
        return self._loaded[studies]

    def run(self, size: Size) -> Run:
        """Compute all pair metrics; they are in `result` until the next run."""
        shutil.copy(self.loaded(size.studies), self.result)
        target = self._scratch / "target"
        settings = json.dumps({"gene_filter_top": size.genes})
        total = measure("bench.dbt_run", "run", target, settings, MODELS, warehouse=self.result)
        results = json.loads((target / "run_results.json").read_text())["results"]
        nodes = {one["unique_id"]: one["execution_time"] for one in results}
        seconds = {
            node.split(".")[2]: time for node, time in nodes.items() if node.startswith("model.")
        }
        with duckdb.connect(str(self.result), read_only=True) as connection:
            ((rows,),) = connection.sql(
                "select count(*) from fact.fact_gene_pair_metrics"
            ).fetchall()
        assert rows == size.exact_pairs, f"{rows} pairs of {size.exact_pairs}"
        return Run(total, seconds)

    @property
    def result(self) -> Path:
        return self._scratch / "ours.duckdb"

    def run_peer(self, size: Size) -> Measurement:
        self.peer_result.unlink(missing_ok=True)
        return measure(
            "bench.pairs_peer", self.loaded(size.studies), size.genes, warehouse=self.peer_result
        )

    @property
    def peer_result(self) -> Path:
        return self._scratch / "peer.duckdb"


def compare_results(result: Path, peer: Path) -> tuple[int, int]:
    """The number of columns that both have, and of pairs whose agreement in sign is not compared:
    a study's estimate is within rounding of 0, so that its sign is chance.

    Raises RuntimeError if a value differs: by 1e-9 relative, p and q by 1e-8, and 1e-12 absolute,
    which the difference of two equal numbers leaves."""
    with duckdb.connect(str(result), read_only=True) as connection:
        connection.execute(f"attach '{peer}' as peer (read_only)")
        names = [row[0] for row in connection.sql("describe peer.metrics").fetchall()]
        ours = {row[0] for row in connection.sql("describe fact.fact_gene_pair_metrics").fetchall()}
        names = [name for name in names if name in ours]
        (wrong,) = connection.sql(
            "select "
            + ", ".join(map(_count_of_differences, names))
            + " from fact.fact_gene_pair_metrics as m inner join dim.dim_gene_pair using (pair_key)"
            " full join peer.metrics as o using (gene_a_key, gene_b_key)"
        ).fetchall()
        ((signless,),) = connection.sql(
            f"select count(*) from peer.metrics as o where {_HAS_ZERO}"
        ).fetchall()
    if any(wrong):
        differing = {name: rows for name, rows in zip(names, wrong, strict=True) if rows}
        raise RuntimeError(f"the peer has other values than the models: {differing}")
    return len(names), signless


def _count_of_differences(name: str) -> str:
    relative = 1e-8 if re.match(LOOSE, name) else 1e-9
    differs = f"not coalesce(abs(m.{name} - o.{name}) <= 1e-12 + {relative} * abs(o.{name}), false)"
    compared = f" and not {_HAS_ZERO}" if re.match(OF_SIGNS, name) else ""
    return f"count(*) filter ({differs}{compared})"


def new_table(title: str, *columns: str) -> rich.table.Table:
    table = rich.table.Table(title=title)
    for column in columns:
        table.add_column(column, justify="right" if column else "left", no_wrap=True)
    return table


def compare_pair_metrics(
    size: Size, repeats: int, warehouses: Warehouses
) -> dict[str, Measurement]:
    """Print seconds, pairs/s and peak memory from expression values to all metrics; return the
    medians of the models and of the peer."""
    runs, peers = [], []
    for _ in range(repeats):
        runs.append(warehouses.run(size))
        peers.append(warehouses.run_peer(size))
    shared, signless = compare_results(warehouses.result, warehouses.peer_result)
    medians = {OURS: median([run.total for run in runs]), PEER: median(peers)}
    table = new_table(
        f"Pair metrics: {size.exact_pairs:,} pairs × {size.studies} studies × 3 cohorts of"
        f" {size.samples} samples",
        *("", "seconds", "pairs/s", "peak MiB", "models / peer"),
    )
    for name, result in medians.items():
        table.add_row(
            name,
            f"{result.seconds:.2f}",
            f"{size.exact_pairs / result.seconds:,.0f}",
            f"{result.peak_mib:,.0f}",
            "" if name == OURS else f"{medians[OURS].seconds / result.seconds:.2f}",
        )
    for model in runs[0].models:
        seconds = statistics.median(run.models[model] for run in runs)
        table.add_row(f"  {model}", f"{seconds:.2f}")
    console.print(table)
    console.print(
        f"Medians of {repeats}, {os.cpu_count()} cores; dbt's own start is not in the seconds, but"
        f" in the memory.\n{shared} columns of both are equal within 1e-9 (p and q: 1e-8). The peer"
        f" knows that nothing is missing.\nAgreement in sign is not compared for {signless} pairs:"
        " a study's estimate is within rounding of 0."
    )
    return medians


def compare_pooling(groups: int, studies: int, repeats: int) -> None:
    """Print groups/s of our macro and of its peers."""
    medians: dict[str, Measurement] = {}
    absent = {}
    for name in pooling.CONTESTANTS:
        if reason := pooling.missing(name):
            absent[name] = reason
            continue
        runs = []
        for _ in range(repeats):
            with tempfile.TemporaryDirectory() as scratch:
                warehouse = Path(scratch) / "pool.duckdb"
                runs.append(measure("bench.pooling", name, groups, studies, warehouse=warehouse))
        medians[name] = median(runs)
    own = medians[pooling.OURS].seconds
    table = new_table(
        f"Pooling: {groups:,} groups × {studies} studies",
        *("", "seconds", "groups/s", "dsl_pool / peer"),
    )
    for name, result in medians.items():
        looped = name in pooling.LOOPS
        table.add_row(
            f"{name} (from {pooling.LOOPED})" if looped else name,
            f"{result.seconds:,.2f}",
            f"{groups / result.seconds:,.0f}",
            "" if name == pooling.OURS else f"{own / result.seconds:.4g}",
        )
    console.print(table)
    console.print(
        f"(from {pooling.LOOPED}): a loop over single groups, extrapolated from"
        f" {pooling.LOOPED} of them."
    )
    for name, reason in absent.items():
        console.print(f"{name} was not run: {reason}.")


def scale_pairs(
    size: Size,
    shares: list[int],
    study_counts: list[int],
    known: Measurement,
    warehouses: Warehouses,
) -> None:
    """Print how time and memory grow with pairs (size / share) and with studies."""
    sizes = [replace(size, pairs=size.exact_pairs // share) for share in shares]
    sizes += [size, *(replace(size, studies=studies) for studies in study_counts)]
    table = new_table(
        f"Growth of pair metrics: 3 cohorts of {size.samples} samples",
        *("pairs", "studies", "seconds", "seconds / million pair-studies", "peak MiB"),
    )
    for one in sizes:
        run = known if one == size else warehouses.run(one).total
        table.add_row(
            f"{one.exact_pairs:,}",
            f"{one.studies}",
            f"{run.seconds:.2f}",
            f"{run.seconds / (one.exact_pairs * one.studies) * 1e6:.2f}",
            f"{run.peak_mib:,.0f}",
        )
    console.print(table)


def bench_pairs(size: Size, repeats: int, quick: bool) -> dict[str, float]:
    """All three; `quick` leaves out sizes of the third. Returns the ratio to the peer."""
    with tempfile.TemporaryDirectory() as scratch:
        warehouses = Warehouses(Path(scratch), size)
        shares = [2] if quick else [8, 4, 2]
        study_counts = [size.studies * 2] if quick else [size.studies // 2, size.studies * 2]
        for studies in sorted({size.studies, *study_counts}):
            warehouses.loaded(studies)
        medians = compare_pair_metrics(size, repeats, warehouses)
        compare_pooling(size.exact_pairs, size.studies, repeats)
        scale_pairs(size, shares, study_counts, medians[OURS], warehouses)
    return {f"models / {PEER}": medians[OURS].seconds / medians[PEER].seconds}
