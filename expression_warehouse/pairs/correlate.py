"""The significant correlations of one study and cohort: `expression-warehouse pairs correlate`."""

import functools
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from expression_warehouse.core.clock import utc_now
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.files import named_os_errors, open_atomically
from expression_warehouse.core.listed import counted
from expression_warehouse.core.process_log import OpenWarehouse, Step, recorded_step
from expression_warehouse.core.reporting import Reporter, Stopwatch
from expression_warehouse.core.warehouse.base import Warehouse
from expression_warehouse.core.warehouse.staging_load import FeatureRun
from expression_warehouse.pairs.contrasts import Design
from expression_warehouse.pairs.engine.block import blocks_of
from expression_warehouse.pairs.engine.correlation import compute_correlations, correlation_degrees
from expression_warehouse.pairs.engine.false_discovery import false_discovery_rates
from expression_warehouse.pairs.engine.memory import plan_correlations
from expression_warehouse.pairs.engine.scan import count_blocks, thread_count
from expression_warehouse.pairs.engine.tally import Tally
from expression_warehouse.pairs.engine.transform_store import (
    TransformStore,
    transform_study,
)
from expression_warehouse.pairs.expression import (
    choose_genes,
    count_samples,
    find_study,
    read_study,
    variability,
)
from expression_warehouse.pairs.run_record import batches, feature_run
from expression_warehouse.pairs.settings import (
    Settings,
    gene_parameters,
    parse_memory,
    resolve_vars,
    settings_of,
)
from expression_warehouse.pairs.slices import read_genes, read_watched

_FILE = pa.schema(
    {
        "gene_a_key": pa.int32(),
        "gene_b_key": pa.int32(),
        "gene_a_id": pa.string(),
        "gene_b_id": pa.string(),
        "n": pa.int32(),
        "r": pa.float64(),
        "p": pa.float64(),
        "q": pa.float64(),
    }
)


@dataclass(frozen=True)
class CorrelateOptions:
    """What the user asks for.

    study      accession
    cohort     illness label
    fdr        greatest false discovery rate
    output     Parquet file to write
    memory     what may be used, as 2GB
    variables  YAML text of --vars; None is none
    top_genes, method
               as of `gene_parameters`
    """

    study: str
    cohort: str
    fdr: float
    output: Path
    memory: str
    variables: str | None
    top_genes: int | None
    method: str


def correlate(options: CorrelateOptions, open_warehouse: OpenWarehouse, reporter: Reporter) -> None:
    """Write the correlations of a study and cohort with q ≤ fdr, and record the run."""
    step = Step("correlate", {"study": options.study, "cohort": options.cohort})
    with recorded_step(step, open_warehouse, reporter), named_os_errors(options.output):
        step.rows_written = _correlate(options, open_warehouse, reporter)


def _correlate(options: CorrelateOptions, open_warehouse: OpenWarehouse, reporter: Reporter) -> int:
    watch, started = Stopwatch(), utc_now()
    settings = settings_of(resolve_vars(options.variables))
    if not options.output.absolute().parent.is_dir():
        raise UserError(
            "FOLDER_NOT_WRITABLE", "there is no such folder", file=str(options.output.parent)
        )
    with open_warehouse(reporter.waiting) as warehouse:
        study = find_study(warehouse, options.study)
        genes = read_genes(warehouse)
        samples = count_samples(warehouse, study)
        keep = plan_correlations(parse_memory(options.memory), len(genes), samples, thread_count())
        store, genes = _read_cohort(warehouse, study, genes, settings, options)
    task = reporter.begin(f"{options.study} {options.cohort}", "gene pairs", store.pair_count)
    tally = Tally(correlation_degrees(store), keep)
    count_blocks(
        functools.partial(compute_correlations, store),
        blocks_of(store),
        [tally],
        lambda block: reporter.advance(task, block.pair_count),
    )
    reporter.end(task)
    significant = _significant(store, tally, options.fdr)
    run = feature_run(
        "CORRELATE",
        None,
        parameters={
            "study": options.study,
            "cohort": options.cohort,
            "fdr": options.fdr,
            **gene_parameters(options.top_genes, options.method),
            "min_samples": settings.min_samples,
        },
        study_count=1,
        gene_count=store.gene_count,
        pairs_tested=tally.histogram.total,
        started_at=started,
    )
    with open_warehouse(reporter.waiting) as warehouse, warehouse.load_staging() as load:
        load.put_run(run)
        _write_file(significant, genes, run, options.output)
    reporter.step(
        options.study,
        "correlated",
        cohort=options.cohort,
        feature_run=run.feature_run_id,
        gene_count=run.gene_count,
        pair_count=run.pairs_tested,
        found_count=len(significant["r"]),
        fdr=options.fdr,
        file=str(options.output),
        seconds=watch.seconds,
    )
    return len(significant["r"])


def _read_cohort(
    warehouse: Warehouse,
    study: int,
    genes: pa.Table,
    settings: Settings,
    options: CorrelateOptions,
) -> tuple[TransformStore, pa.Table]:
    """The rank transforms of the genes that take part, and the rows of these genes.

    genes  rows of `read_genes`
    """
    keys = genes["gene_key"].to_numpy()
    matrix = read_study(warehouse, study, keys)
    chosen = choose_genes(
        variability(matrix.values, options.method)[None],
        matrix.is_measured[None],
        1,
        options.top_genes,
        np.searchsorted(keys, read_watched(warehouse)),
    )
    if len(chosen) < 2:
        raise UserError(
            "PAIRS_NOTHING_TO_TEST",
            f"the study has {counted(len(chosen), 'gene')} with differing values",
        )
    values = matrix.cohort(options.cohort, settings.detection_share_min)
    if values.shape[1] < settings.min_samples:
        raise UserError(
            "PAIRS_NOTHING_TO_TEST",
            f"the study has {counted(values.shape[1], 'sample')} of {options.cohort}",
            expected=f"{settings.min_samples} or more (var min_cohort_samples)",
            action=_advice(matrix.labels.tolist(), settings.min_samples),
        )
    transforms = transform_study([values], chosen, settings)
    return TransformStore([transforms], settings, Design(())), genes.take(chosen)


def _advice(labels: list[str], least: int) -> str:
    """Which cohorts of a study can be correlated."""
    counts = sorted(Counter(labels).items())
    every = ", ".join(f"{label} ({count})" for label, count in counts)
    enough = ", ".join(f"{label} ({count})" for label, count in counts if count >= least)
    if enough:
        return f"Name a cohort with enough samples: {enough}"
    return f"Correlate another study: no cohort of this one has enough samples: {every or 'none'}"


def _significant(store: TransformStore, tally: Tally, fdr: float) -> dict[str, np.ndarray]:
    """The correlations with q ≤ fdr, in order of p: gene numbers a and b, and n, r, p, q."""
    candidates, p = tally.sorted_candidates()
    q = false_discovery_rates(tally, p, p)
    size = int(np.searchsorted(q, fdr, side="right"))
    # The tally drops candidates, but never one of the best `keep`.
    if size >= tally.keep and len(candidates) < tally.histogram.total:
        raise UserError(
            "PAIRS_MEMORY_EXCEEDED",
            f"at least {tally.keep:,} correlations have q ≤ {fdr}, more than --memory lets it keep",
            action="Increase --memory, lower --fdr, or test fewer genes (--top-genes)",
        )
    a, b = (candidates[side][:size].astype(np.int64) for side in ("gene_a", "gene_b"))
    r, n = store.spearman_of_pairs(a, b)
    return {
        "a": a, "b": b, "n": n[0, 0], "r": np.clip(r[0, 0], -1, 1), "p": p[:size], "q": q[:size]
    }  # fmt: skip


def _write_file(
    columns: dict[str, np.ndarray], genes: pa.Table, run: FeatureRun, path: Path
) -> None:
    """Write the file, whose metadata name its run in meta_feature_run.

    genes  rows of `read_genes`, of which a and b are the numbers
    """
    schema = _FILE.with_metadata({"feature_run_id": run.feature_run_id})
    of_genes = {
        f"gene_{side}_{name}": pa.DictionaryArray.from_arrays(
            columns[side], genes[f"gene_{name}"].combine_chunks()
        )
        for side in ("a", "b")
        for name in ("key", "id")
    }
    with open_atomically(path) as file, pq.ParquetWriter(file, schema) as writer:
        for batch in batches(schema, {**of_genes, **columns}):
            writer.write_batch(batch)
