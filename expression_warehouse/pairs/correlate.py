"""The significant correlations of one study and cohort."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from expression_warehouse.core.clock import utc_now
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.files import open_atomically
from expression_warehouse.core.process_log import OpenWarehouse, Step, recorded_step
from expression_warehouse.core.reporting import Reporter, Stopwatch
from expression_warehouse.core.warehouse.base import FeatureRun, Warehouse
from expression_warehouse.pairs.correlations import count_correlations, degrees_of
from expression_warehouse.pairs.expression import StudyMatrix, count_samples, find_study, read_study
from expression_warehouse.pairs.gene_filter import choose_genes, variability
from expression_warehouse.pairs.run_record import feature_run
from expression_warehouse.pairs.screen.block import blocks_of
from expression_warehouse.pairs.screen.false_discovery import false_discovery_rates, smallest
from expression_warehouse.pairs.screen.memory import plan_correlations
from expression_warehouse.pairs.screen.rank_store import RankStore, RankStoreWriter, open_store
from expression_warehouse.pairs.screen.scan import scan, thread_count
from expression_warehouse.pairs.screen.statistic_files import StatisticFiles
from expression_warehouse.pairs.screen.study_slice import read_genes, read_watched
from expression_warehouse.pairs.screen.tally import Family, Tally
from expression_warehouse.pairs.settings import Settings, parse_memory, read_settings

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
class Options:
    """What the user asks for.

    study      accession
    cohort     one of groups.COHORTS
    fdr        greatest false discovery rate
    output     Parquet file to write
    method, top_genes
               which genes are paired, as of screen.Options
    memory     what may be used, as 2GB
    """

    study: str
    cohort: str
    fdr: float
    output: Path
    method: str
    top_genes: int | None
    memory: str


@dataclass(frozen=True)
class Correlations:
    """Pairs of genes, from the smallest p on.

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


def correlate(options: Options, open_warehouse: OpenWarehouse, reporter: Reporter) -> bool:
    """Find the significant correlations and write them.

    open_warehouse  takes what to tell the user while it waits

    Returns whether they are written.
    """
    step = Step("correlate", {"study": options.study, "cohort": options.cohort})
    try:
        with recorded_step(step, open_warehouse, reporter):
            step.rows_written = _correlate(options, open_warehouse, reporter)
    except UserError as error:
        reporter.failed(options.study, error)
        return False
    return True


def _correlate(options: Options, open_warehouse: OpenWarehouse, reporter: Reporter) -> int:
    watch, started = Stopwatch(), utc_now()
    settings = read_settings()
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
        _rank(Path(scratch), matrix, chosen, settings, options)
        store = open_store(Path(scratch))
        task = reporter.begin_pairs(f"{options.study} {options.cohort}", store.pair_count)
        blocks = blocks_of(store)
        tally = scan(
            count_correlations,
            Path(scratch),
            blocks,
            Tally([degrees_of(store)], keep),
            None,
            lambda done: reporter.advance(task, done),
        )
        files = StatisticFiles(Path(scratch), blocks, 1)
        found = _significant(store, tally.families[0], files, genes[chosen], options)
        run = feature_run(
            "CORRELATE",
            None,
            None,
            parameters={
                "study": options.study,
                "cohort": options.cohort,
                "fdr": options.fdr,
                "method": options.method if options.top_genes else None,
                "top_genes": options.top_genes,
                "min_samples": settings.min_samples,
            },
            study_count=1,
            gene_count=store.gene_count,
            pairs_tested=store.pair_count,
            started_at=started,
        )
        _write_file(found, run, warehouse, options.output)
        with warehouse.load_features() as load:
            load.put_run(run)
    reporter.step(
        options.study,
        "correlated",
        cohort=options.cohort,
        feature_run=run.feature_run_id,
        gene_count=run.gene_count,
        pair_count=run.pairs_tested,
        found_count=len(found.r),
        fdr=options.fdr,
        file=str(options.output),
        seconds=watch.seconds,
    )
    return len(found.r)


def _choose(
    matrix: StudyMatrix, genes: np.ndarray, watched: np.ndarray, options: Options
) -> np.ndarray:
    spread = variability(matrix.values, options.method)
    measured = ~np.isnan(matrix.values).all(axis=1)
    places = np.searchsorted(genes, watched)
    chosen = choose_genes(spread[None], measured[None], 1, options.top_genes, places)
    if len(chosen) < 2:
        raise UserError("PAIRS_NOTHING_TO_TEST", f"{len(chosen)} genes of {options.study} vary")
    return chosen


def _rank(
    folder: Path, matrix: StudyMatrix, chosen: np.ndarray, settings: Settings, options: Options
) -> None:
    group = matrix.group((options.cohort,))
    if group.shape[1] < settings.min_samples:
        raise UserError(
            "PAIRS_NOTHING_TO_TEST",
            f"{options.study} has {group.shape[1]} samples of {options.cohort}",
            expected=f"{settings.min_samples} or more (var min_cohort_samples)",
        )
    writer = RankStoreWriter(folder, settings)
    writer.add([group], chosen)
    writer.finish()


def _significant(
    store: RankStore, family: Family, files: StatisticFiles, keys: np.ndarray, options: Options
) -> Correlations:
    kept, p = smallest(family)
    q = false_discovery_rates(family, files, 0, p, store.pair_count)
    size = int(np.searchsorted(q, options.fdr, side="right"))
    # Beyond the first `keep`, some may be missing.
    if size >= family.keep and len(kept) < family.counts.sum():
        raise UserError(
            "PAIRS_MEMORY_EXCEEDED",
            f"{family.keep:,} correlations or more have q ≤ {options.fdr}",
            action="Give it more --memory, or a smaller --fdr, or test fewer genes (--top-genes)",
        )
    a = kept["gene_a"][:size].astype(np.int64)
    b = kept["gene_b"][:size].astype(np.int64)
    r, n = store.correlate_pairs(a, b)
    return Correlations(keys[a], keys[b], n[0, 0], np.clip(r[0, 0], -1, 1), p[:size], q[:size])


def _write_file(found: Correlations, run: FeatureRun, warehouse: Warehouse, path: Path) -> None:
    """The file names its run, in meta_feature_run, among its metadata."""
    schema = _FILE.with_metadata({"feature_run_id": run.feature_run_id})
    table = warehouse.read("select gene_key, gene_id from {dim}.dim_gene order by gene_key", {})
    keys, ids = table["gene_key"].to_numpy(), table["gene_id"].combine_chunks()
    try:
        with open_atomically(path) as file, pq.ParquetWriter(file, schema) as writer:
            for part in _parts(found):
                a, b = found.gene_a[part], found.gene_b[part]
                columns = [
                    *(a, b),
                    *(ids.take(pa.array(np.searchsorted(keys, own))) for own in (a, b)),
                    *(found.n[part], found.r[part], found.p[part], found.q[part]),
                ]
                arrays = [pa.array(c).cast(f.type) for c, f in zip(columns, _FILE, strict=True)]
                writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))
    except OSError as error:
        raise UserError("FOLDER_NOT_WRITABLE", str(error.strerror), file=str(path)) from error


def _parts(found: Correlations) -> Iterator[slice]:
    for start in range(0, len(found.r), _BATCH_ROWS):
        yield slice(start, start + _BATCH_ROWS)
