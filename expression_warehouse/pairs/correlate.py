"""The significant correlations of one study and cohort: `expression-warehouse pairs correlate`."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from expression_warehouse.core.clock import utc_now
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.files import named_os_errors, open_atomically
from expression_warehouse.core.process_log import OpenWarehouse, Step, recorded_step
from expression_warehouse.core.reporting import Reporter, Stopwatch
from expression_warehouse.core.warehouse.base import FeatureRun, Warehouse
from expression_warehouse.pairs.expression import StudyMatrix, count_samples, find_study, read_study
from expression_warehouse.pairs.gene_choice import choose_genes, variability
from expression_warehouse.pairs.run_record import feature_run
from expression_warehouse.pairs.screen.block import blocks_of
from expression_warehouse.pairs.screen.correlation_block import (
    compute_correlations,
    correlation_degrees,
)
from expression_warehouse.pairs.screen.false_discovery import RateCurve
from expression_warehouse.pairs.screen.memory import plan_correlations
from expression_warehouse.pairs.screen.scan import scan, thread_count
from expression_warehouse.pairs.screen.tally import Tally
from expression_warehouse.pairs.screen.transform_store import (
    TransformStore,
    TransformWriter,
    open_store,
)
from expression_warehouse.pairs.settings import (
    GeneChoice,
    Settings,
    parse_memory,
    resolve_vars,
    settings_of,
)
from expression_warehouse.pairs.slices import read_genes, read_watched

_BATCH_ROWS = 100_000

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
    """

    study: str
    cohort: str
    fdr: float
    output: Path
    choice: GeneChoice
    memory: str
    variables: str | None = None


@dataclass(frozen=True)
class Correlations:
    """Pairs of genes, in order of p.

    gene_a, gene_b  (pairs,): keys, the smaller one first
    n               (pairs,): samples that have both values
    r, p, q         (pairs,)
    """

    gene_a: np.ndarray
    gene_b: np.ndarray
    n: np.ndarray
    r: np.ndarray
    p: np.ndarray
    q: np.ndarray


def correlate(options: CorrelateOptions, open_warehouse: OpenWarehouse, reporter: Reporter) -> bool:
    """Write the correlations of a study and cohort with q ≤ fdr, and record the run.

    Returns whether the file was written.
    """
    step = Step("correlate", {"study": options.study, "cohort": options.cohort})
    try:
        with recorded_step(step, open_warehouse, reporter), named_os_errors(options.output):
            step.rows_written = _correlate(options, open_warehouse, reporter)
    except UserError as error:
        reporter.failed(options.study, error)
        return False
    return True


def _correlate(options: CorrelateOptions, open_warehouse: OpenWarehouse, reporter: Reporter) -> int:
    watch, started = Stopwatch(), utc_now()
    settings = settings_of(resolve_vars(options.variables))
    if not options.output.absolute().parent.is_dir():
        raise UserError(
            "FOLDER_NOT_WRITABLE", "there is no such folder", file=str(options.output.parent)
        )
    with tempfile.TemporaryDirectory() as scratch, open_warehouse(reporter.waiting) as warehouse:
        study = find_study(warehouse, options.study)
        genes = read_genes(warehouse)
        samples = count_samples(warehouse, study)
        keep = plan_correlations(parse_memory(options.memory), len(genes), samples, thread_count())
        matrix = read_study(warehouse, study, genes)
        chosen = _choose(matrix, genes, read_watched(warehouse), options)
        _write_store(Path(scratch), matrix, chosen, settings, options)
        store = open_store(Path(scratch))
        task = reporter.begin_pairs(f"{options.study} {options.cohort}", store.pair_count)
        (tally,) = scan(
            compute_correlations,
            Path(scratch),
            blocks_of(store),
            [Tally(correlation_degrees(store), keep)],
            None,
            lambda done: reporter.advance(task, done),
        )
        significant = _significant(store, tally, genes[chosen], options.fdr)
        run = feature_run(
            "CORRELATE",
            None,
            parameters={
                "study": options.study,
                "cohort": options.cohort,
                "fdr": options.fdr,
                **options.choice.parameters(),
                "min_samples": settings.min_samples,
            },
            study_count=1,
            gene_count=store.gene_count,
            pairs_tested=store.pair_count,
            started_at=started,
        )
        _write_file(significant, run, warehouse, options.output)
        with warehouse.load_features() as load:
            load.put_run(run)
    reporter.step(
        options.study,
        "correlated",
        cohort=options.cohort,
        feature_run=run.feature_run_id,
        gene_count=run.gene_count,
        pair_count=run.pairs_tested,
        found_count=len(significant.r),
        fdr=options.fdr,
        file=str(options.output),
        seconds=watch.seconds,
    )
    return len(significant.r)


def _choose(
    matrix: StudyMatrix, genes: np.ndarray, watched: np.ndarray, options: CorrelateOptions
) -> np.ndarray:
    spread = variability(matrix.values, options.choice.method)
    measured = ~np.isnan(matrix.values).all(axis=1)
    rows = np.searchsorted(genes, watched)
    chosen = choose_genes(spread[None], measured[None], 1, options.choice.top_genes, rows)
    if len(chosen) < 2:
        raise UserError("PAIRS_NOTHING_TO_TEST", f"{len(chosen)} genes of {options.study} vary")
    return chosen


def _write_store(
    folder: Path,
    matrix: StudyMatrix,
    chosen: np.ndarray,
    settings: Settings,
    options: CorrelateOptions,
) -> None:
    group = matrix.group((options.cohort,))
    if group.shape[1] < settings.min_samples:
        raise UserError(
            "PAIRS_NOTHING_TO_TEST",
            f"{options.study} has {group.shape[1]} samples of {options.cohort}",
            expected=f"{settings.min_samples} or more (var min_cohort_samples) of one of "
            f"{', '.join(sorted(set(matrix.labels.tolist()))) or 'its cohorts, but it has none'}",
        )
    writer = TransformWriter(folder, settings)
    writer.add([group], chosen)
    writer.finish()


def _significant(store: TransformStore, tally: Tally, keys: np.ndarray, fdr: float) -> Correlations:
    candidates, p = tally.sorted_candidates()
    q = RateCurve(tally, p, store.pair_count).at(p)
    size = int(np.searchsorted(q, fdr, side="right"))
    # Beyond the first `keep`, some may be missing.
    if size >= tally.keep and len(candidates) < tally.histogram.total:
        raise UserError(
            "PAIRS_MEMORY_EXCEEDED",
            f"{tally.keep:,} correlations or more have q ≤ {fdr}",
            action="Increase --memory, lower --fdr, or test fewer genes (--top-genes)",
        )
    a = candidates["gene_a"][:size].astype(np.int64)
    b = candidates["gene_b"][:size].astype(np.int64)
    r, n = store.spearman_of_pairs(a, b)
    return Correlations(keys[a], keys[b], n[0, 0], np.clip(r[0, 0], -1, 1), p[:size], q[:size])


def _write_file(found: Correlations, run: FeatureRun, warehouse: Warehouse, path: Path) -> None:
    """Write the file, whose metadata name its run in meta_feature_run."""
    schema = _FILE.with_metadata({"feature_run_id": run.feature_run_id})
    table = warehouse.read("select gene_key, gene_id from {dim}.dim_gene order by gene_key", {})
    keys, ids = table["gene_key"].to_numpy(), table["gene_id"].combine_chunks()
    with open_atomically(path) as file, pq.ParquetWriter(file, schema) as writer:
        for start in range(0, len(found.r), _BATCH_ROWS):
            rows = slice(start, start + _BATCH_ROWS)
            genes = found.gene_a[rows], found.gene_b[rows]
            columns = [
                *genes,
                *(ids.take(pa.array(np.searchsorted(keys, gene))) for gene in genes),
                *(found.n[rows], found.r[rows], found.p[rows], found.q[rows]),
            ]
            arrays = [pa.array(c).cast(f.type) for c, f in zip(columns, _FILE, strict=True)]
            writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))
