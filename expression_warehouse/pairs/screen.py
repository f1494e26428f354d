"""Screens all gene pairs of a slice and stages the best: `expression-warehouse pairs screen`."""

import hashlib
import importlib.metadata
import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from expression_warehouse.core.clock import utc_now
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.listed import counted
from expression_warehouse.core.process_log import OpenWarehouse
from expression_warehouse.core.reporting import Reporter, Stopwatch
from expression_warehouse.core.warehouse.base import Warehouse
from expression_warehouse.pairs.contrasts import Design, read_design
from expression_warehouse.pairs.engine.block import blocks_of, new_tallies
from expression_warehouse.pairs.engine.memory import require_memory
from expression_warehouse.pairs.engine.scan import connect, scan, thread_count
from expression_warehouse.pairs.engine.transform_store import (
    StudyTransforms,
    is_complete,
    open_store,
    transform_study,
    write_store,
)
from expression_warehouse.pairs.expression import (
    choose_genes,
    count_samples,
    read_studies,
    variability,
)
from expression_warehouse.pairs.run_record import feature_run
from expression_warehouse.pairs.screened_pairs import CONTRAST_SCHEMA, PAIR_SCHEMA, collect
from expression_warehouse.pairs.settings import gene_parameters, parse_memory
from expression_warehouse.pairs.slices import (
    SliceFilter,
    SliceStudies,
    compute_slices,
    read_genes,
    read_watched,
    testable_contrasts,
)


@dataclass(frozen=True)
class ScreenOptions:
    """What the user asks for.

    keep    pairs kept per test
    memory  what may be used, as 2GB
    work    folder for the files that an interrupted screen is resumed from
    dask    address of a scheduler; None is this machine
    top_genes, method
            as of `gene_parameters`
    """

    keep: int
    memory: str
    work: Path
    dask: str | None
    top_genes: int | None
    method: str


def screen(
    wanted: SliceFilter, options: ScreenOptions, open_warehouse: OpenWarehouse, reporter: Reporter
) -> None:
    """Screen slices and stage the pairs that are kept; as `compute_slices`.

    The warehouse is open only to be read and written, not while pairs are computed.
    """
    # Before the warehouse is opened.
    parse_memory(options.memory)
    compute_slices(
        "screen",
        wanted,
        options.work,
        lambda members: _screen_slice(members, options, open_warehouse, reporter),
        open_warehouse,
        reporter,
    )


def _screen_slice(
    members: SliceStudies,
    options: ScreenOptions,
    open_warehouse: OpenWarehouse,
    reporter: Reporter,
) -> int:
    """Screen and stage one slice; return how many pairs are kept."""
    watch, started = Stopwatch(), utc_now()
    client = connect(options.dask) if options.dask else None
    with open_warehouse(reporter.waiting) as warehouse:
        folder, watched = _prepare(members, options, warehouse, reporter)
    missing = json.loads((folder / "not_detected.json").read_text(encoding="utf-8"))
    store, keys = open_store(folder), np.load(folder / "genes.npy")
    task = reporter.begin(str(members.slice), "gene pairs", store.pair_count)
    tallies = scan(
        folder,
        blocks_of(store),
        new_tallies(store, options.keep),
        client,
        lambda done: reporter.advance(task, done),
    )
    reporter.end(task)
    kept = collect(store, tallies, np.flatnonzero(np.isin(keys, watched)), keys)
    run = feature_run(
        "SCREEN",
        members.slice,
        parameters={
            **members.parameters(store.design),
            **gene_parameters(options.top_genes, options.method),
            "keep": options.keep,
            "genes_not_detected": missing,
        },
        study_count=len(members.studies),
        gene_count=store.gene_count,
        pairs_tested=kept.pairs_tested,
        started_at=started,
    )
    scope, constants = members.slice.scope, members.constants(run)
    pairs, contrasts = kept.pair_batches(constants), kept.contrast_batches(constants)
    with open_warehouse(reporter.waiting) as warehouse, warehouse.load_staging() as load:
        load.put_run(run)
        rows_written = load.replace_rows("screened_pairs", scope, PAIR_SCHEMA, pairs)
        rows_written += load.replace_rows("screened_contrasts", scope, CONTRAST_SCHEMA, contrasts)
    studies = store.design.count_studies(store.samples > 0)
    shutil.rmtree(folder)
    reporter.step(
        None,
        "screened",
        slice=str(members.slice),
        **members.slice.scope,
        feature_run=run.feature_run_id,
        study_count=len(members.studies),
        gene_count=store.gene_count,
        contrasts=", ".join(f"{name} in {count}" for name, count in studies.items()),
        pair_count=kept.pairs_tested,
        kept_count=len(kept.gene_a),
        significant_count=kept.significant_count,
        seconds=watch.seconds,
    )
    return rows_written


def _prepare(
    members: SliceStudies, options: ScreenOptions, warehouse: Warehouse, reporter: Reporter
) -> tuple[Path, np.ndarray]:
    """Make the slice's transform store, or find that of an interrupted screen.

    Returns its folder, and the keys of watched genes.
    """
    genes = read_genes(warehouse)["gene_key"].to_numpy()
    watched = read_watched(warehouse, members.slice.disease_label)
    design = read_design(warehouse, members.slice.disease_label)
    samples = [count_samples(warehouse, study, members.slice) for study in members.studies]
    require_memory(
        parse_memory(options.memory),
        options.keep,
        len(genes),
        max(samples),
        len(members.studies),
        design,
        thread_count(),
    )
    key = {
        "version": importlib.metadata.version("expression-warehouse"),
        "slice": asdict(members),
        "keep": options.keep,
        "watched": watched.tolist(),
        **gene_parameters(options.top_genes, options.method),
    }
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]
    folder = (options.work / f"{members.slice.file_name}-{digest}").absolute()
    if not is_complete(folder):
        shutil.rmtree(folder, ignore_errors=True)
        _write_store(members, design, options, warehouse, reporter, folder, genes, watched)
    return folder, watched


def _write_store(
    members: SliceStudies,
    design: Design,
    options: ScreenOptions,
    warehouse: Warehouse,
    reporter: Reporter,
    folder: Path,
    genes: np.ndarray,
    watched: np.ndarray,
) -> None:
    """Write the transform store of a slice. Values wait in files until all studies have been read,
    because the genes that take part depend on all of them."""
    folder.mkdir(parents=True)
    spreads, measured, labels = [], [], []
    missing: dict[str, dict[str, int]] = {}
    share = members.settings.detection_share_min
    for number, matrix in enumerate(read_studies(warehouse, members, genes, reporter)):
        spreads.append(variability(matrix.values, options.method))
        measured.append(matrix.is_measured)
        own = missing[members.accessions[number]] = {}
        for label in design.cohorts:
            values = matrix.cohort(label, share)
            np.save(_values_path(folder, number, label), values)
            if values.shape[1] >= members.settings.min_samples:
                own[label] = int(np.count_nonzero(np.isnan(values).all(axis=1) & measured[-1]))
        labels.append(matrix.labels)
    chosen = choose_genes(
        np.array(spreads),
        np.array(measured),
        members.settings.k_min,
        options.top_genes,
        np.searchsorted(genes, watched),
    )
    if len(chosen) < 2:
        raise UserError(
            "PAIRS_NOTHING_TO_TEST",
            f"{members.slice}, {counted(len(members.studies), 'study')}: only "
            f"{counted(len(chosen), 'gene')} with differing values in enough studies",
        )
    # Contrasts of fewer studies have no false discovery rates: the models compute the rest.
    tested = testable_contrasts(design, members, labels)
    (folder / "not_detected.json").write_text(json.dumps(missing), encoding="utf-8")
    np.save(folder / "genes.npy", genes[chosen])

    def transform(study: int) -> StudyTransforms:
        paths = [_values_path(folder, study, label) for label in tested.cohorts]
        return transform_study([np.load(path) for path in paths], chosen, members.settings)

    write_store(folder, map(transform, range(len(members.studies))), members.settings, tested)
    for path in folder.glob("cohort_*.npy"):
        path.unlink()


def _values_path(folder: Path, study: int, cohort: str) -> Path:
    return folder / f"cohort_{study}_{cohort}.npy"
