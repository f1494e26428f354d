"""From the warehouse to the pairs of genes worth a closer look, among all there are."""

import hashlib
import importlib.metadata
import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from expression_warehouse.core.clock import utc_now
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.process_log import OpenWarehouse, Step, recorded_step
from expression_warehouse.core.reporting import Reporter, Stopwatch
from expression_warehouse.core.warehouse.base import FeatureRun, Warehouse
from expression_warehouse.pairs.expression import count_samples, read_study
from expression_warehouse.pairs.gene_filter import choose_genes, variability
from expression_warehouse.pairs.groups import CONTRAST_GROUPS
from expression_warehouse.pairs.run_record import feature_run
from expression_warehouse.pairs.screen.block import blocks_of, compute_block, new_tally
from expression_warehouse.pairs.screen.cluster import Cluster
from expression_warehouse.pairs.screen.memory import require_memory
from expression_warehouse.pairs.screen.rank_store import RankStoreWriter, is_whole, open_store
from expression_warehouse.pairs.screen.scan import scan, thread_count
from expression_warehouse.pairs.screen.screened_pairs import SCHEMA, ScreenedPairs, collect
from expression_warehouse.pairs.screen.statistic_files import StatisticFiles
from expression_warehouse.pairs.screen.study_slice import (
    StudySlice,
    find_slices,
    read_genes,
    read_watched,
)
from expression_warehouse.pairs.settings import parse_memory


@dataclass(frozen=True)
class Options:
    """What the user asks for.

    keep       pairs kept by each test
    method     how the variability of genes is measured
    top_genes  how many genes are paired, those that vary most; all where it is none
    memory     what may be used, as 2GB
    work       folder for what a broken-off screen is taken up from
    dask       address of a scheduler
    """

    keep: int
    method: str
    top_genes: int | None
    memory: str
    work: Path
    dask: str | None


def screen(
    disease: str,
    technology: str | None,
    options: Options,
    open_warehouse: OpenWarehouse,
    reporter: Reporter,
) -> bool:
    """Screen the slices of a disease and stage what is found.

    open_warehouse  takes what to tell the user while it waits

    Returns whether all of it is staged. The warehouse is open only to be read and written, not
    while pairs are computed.
    """
    step = Step("screen", {"disease": disease, "technology": technology})
    try:
        parse_memory(options.memory)
        with recorded_step(step, open_warehouse, reporter):
            with open_warehouse(reporter.waiting) as warehouse:
                slices = find_slices(warehouse, disease, technology)
            for one in slices:
                _screen_slice(one, options, open_warehouse, reporter, step)
    except UserError as error:
        reporter.failed(None, error)
        return False
    return True


def _screen_slice(
    one: StudySlice,
    options: Options,
    open_warehouse: OpenWarehouse,
    reporter: Reporter,
    step: Step,
) -> None:
    watch, started = Stopwatch(), utc_now()
    cluster = Cluster(options.dask) if options.dask else None
    with open_warehouse(reporter.waiting) as warehouse:
        prepared = _prepare(one, options, warehouse, reporter)
    store = open_store(prepared.folder)
    task = reporter.begin_pairs(f"{one.disease_label} {one.technology}", store.pair_count)
    blocks = blocks_of(store)
    tally = scan(
        compute_block,
        prepared.folder,
        blocks,
        new_tally(store, options.keep),
        cluster,
        lambda done: reporter.advance(task, done),
    )
    files = StatisticFiles(prepared.folder, blocks, len(tally.families))
    found = collect(store, tally, files, prepared.watched, prepared.genes)
    run = feature_run(
        "SCREEN",
        one.disease_label,
        one.technology,
        parameters={
            **asdict(one.settings),
            "keep": options.keep,
            "method": options.method if options.top_genes else None,
            "top_genes": options.top_genes,
            "studies": list(one.accessions),
            "studies_hash": one.studies_hash,
        },
        study_count=len(one.studies),
        gene_count=store.gene_count,
        pairs_tested=store.pair_count,
        started_at=started,
    )
    step.rows_written = (step.rows_written or 0) + _stage(run, one, found, open_warehouse, reporter)
    shutil.rmtree(prepared.folder)
    reporter.step(
        None,
        "screened",
        disease=one.disease_label,
        technology=one.technology,
        feature_run=run.feature_run_id,
        study_count=len(one.studies),
        gene_count=store.gene_count,
        pair_count=store.pair_count,
        kept_count=len(found.gene_a),
        significant_count=found.significant_count,
        seconds=watch.seconds,
    )


@dataclass(frozen=True)
class _Prepared:
    """A rank store, ready to be scanned.

    genes    keys of its genes
    watched  their numbers that are on the watch list
    """

    folder: Path
    genes: np.ndarray
    watched: np.ndarray


def _prepare(
    one: StudySlice,
    options: Options,
    warehouse: Warehouse,
    reporter: Reporter,
) -> _Prepared:
    """Rank the slice's genes, or find the ranks of a screen that was broken off."""
    genes, watched = read_genes(warehouse), read_watched(warehouse)
    samples = [count_samples(warehouse, study) for study in one.studies]
    require_memory(
        parse_memory(options.memory),
        options.keep,
        len(genes),
        max(samples),
        len(one.studies),
        thread_count(),
    )
    key = {
        "version": importlib.metadata.version("expression-warehouse"),
        "slice": asdict(one),
        "method": options.method,
        "top_genes": options.top_genes,
        "keep": options.keep,
        "watched": watched.tolist(),
    }
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]
    folder = (options.work / f"{one.disease_label}-{one.technology}-{digest}").absolute()
    if not is_whole(folder):
        shutil.rmtree(folder, ignore_errors=True)
        _rank(one, options, warehouse, reporter, folder, genes, watched)
    chosen = np.load(folder / "genes.npy")
    return _Prepared(
        folder=folder,
        genes=chosen,
        watched=np.flatnonzero(np.isin(chosen, watched)),
    )


def _rank(
    one: StudySlice,
    options: Options,
    warehouse: Warehouse,
    reporter: Reporter,
    folder: Path,
    genes: np.ndarray,
    watched: np.ndarray,
) -> None:
    """Write the rank store of a slice. Values wait in files until all studies have said which
    genes take part."""
    folder.mkdir(parents=True)
    spreads, measured = [], []
    task = reporter.begin_rows(f"{one.disease_label} {one.technology}")
    for number, study in enumerate(one.studies):
        matrix = read_study(warehouse, study, genes)
        spreads.append(variability(matrix.values, options.method))
        measured.append(~np.isnan(matrix.values).all(axis=1))
        for g, cohorts in enumerate(CONTRAST_GROUPS):
            np.save(_group_path(folder, number, g), matrix.group(cohorts))
        reporter.advance(task, int(np.count_nonzero(~np.isnan(matrix.values))))
    places = np.searchsorted(genes, watched)
    chosen = choose_genes(
        np.array(spreads), np.array(measured), one.settings.k_min, options.top_genes, places
    )
    if len(chosen) < 2:
        raise UserError(
            "PAIRS_NOTHING_TO_TEST",
            f"{len(chosen)} genes of {one.disease_label} {one.technology} vary and were measured "
            f"in enough of its {len(one.studies)} studies",
        )
    writer = RankStoreWriter(folder, one.settings)
    for number in range(len(one.studies)):
        paths = [_group_path(folder, number, g) for g in range(len(CONTRAST_GROUPS))]
        writer.add([np.load(path) for path in paths], chosen)
        for path in paths:
            path.unlink()
    if not writer.has_contrast:
        raise UserError(
            "PAIRS_NOTHING_TO_TEST",
            f"no study of {one.disease_label} {one.technology} has {one.settings.min_samples} "
            "samples with septic shock and as many without",
        )
    np.save(folder / "genes.npy", genes[chosen])
    writer.finish()


def _group_path(folder: Path, study: int, group: int) -> Path:
    return folder / f"group_{study}_{group}.npy"


def _stage(
    run: FeatureRun,
    one: StudySlice,
    found: ScreenedPairs,
    open_warehouse: OpenWarehouse,
    reporter: Reporter,
) -> int:
    scope = {"disease_label": one.disease_label, "technology": one.technology}
    rows = found.batches({**scope, "feature_run_id": run.feature_run_id}, one.studies_hash, run)
    with open_warehouse(reporter.waiting) as warehouse, warehouse.load_features() as load:
        load.put_run(run)
        return load.replace_rows("screened_pairs", scope, SCHEMA, rows)
