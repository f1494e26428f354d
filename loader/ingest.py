"""From downloads to staged batches: one study in one transaction, several studies at a time."""

import json
import re
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from loader.batch import batch_id
from loader.config import PipelineConfig, StudyConfig
from loader.download import Download, find_downloads, open_download
from loader.errors import LoaderError
from loader.matrix import Matrix, MatrixSummary, read_matrix
from loader.metadata import AggregatedMetadata, StudyMetadata
from loader.project import read_seed
from loader.report import Reporter, Stopwatch
from loader.warehouse.base import BatchKey, RegisteredBatch, StudyLoad, Warehouse

# What `dbt build --select study:` takes.
ACCESSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,49}")


@dataclass(frozen=True)
class StudySource:
    """One study of one download."""

    accession: str
    download: Download
    metadata: AggregatedMetadata


def discover(
    paths: Iterable[Path], accessions: Iterable[str], reporter: Reporter
) -> tuple[list[StudySource], int]:
    """The studies to load from all paths, and how many downloads or accessions failed.

    accessions  only these; all studies where there are none
    """
    sources: list[StudySource] = []
    failures = 0
    wanted = list(accessions)
    for download in _open_downloads(paths):
        if isinstance(download, LoaderError):
            reporter.failed(None, download)
            failures += 1
            continue
        try:
            metadata = AggregatedMetadata(download)
        except LoaderError as error:
            reporter.failed(None, error)
            failures += 1
            continue
        # A matrix that the metadata do not name is a study too: loading it says so.
        names = dict.fromkeys([*metadata.accessions, *download.matrices()])
        sources += [
            StudySource(name, download, metadata) for name in names if name in wanted or not wanted
        ]
    for missing in sorted(set(wanted) - {source.accession for source in sources}):
        reporter.failed(
            missing, LoaderError("STUDY_NOT_FOUND", f"no download here has the study {missing}")
        )
        failures += 1
    return sources, failures


def _open_downloads(paths: Iterable[Path]) -> Iterator[Download | LoaderError]:
    """Each download, or the error in its place: one that is broken stops no other."""
    for path in paths:
        try:
            found = find_downloads(path)
        except LoaderError as error:
            yield error
            continue
        for candidate in found:
            try:
                yield open_download(candidate)
            except LoaderError as error:
                yield error


def ingest(
    paths: Iterable[Path],
    accessions: Iterable[str],
    config: PipelineConfig,
    open_warehouse: Callable[[Callable[[str], None]], Warehouse],
    reporter: Reporter,
) -> bool:
    """Load all studies of the paths; a study that fails leaves the others alone.

    open_warehouse  takes what to tell the user while it waits

    Returns whether everything that was asked for is staged now, or was before. Raises
    KeyboardInterrupt once all running loads are undone.
    """
    sources, failures = discover(paths, accessions, reporter)
    by_study: dict[str, list[StudySource]] = defaultdict(list)
    for source in sources:
        by_study[source.accession].append(source)
    if not by_study:
        return failures == 0
    try:
        with (
            open_warehouse(reporter.waiting) as warehouse,
            ThreadPoolExecutor(config.defaults.parallelism) as pool,
        ):
            load = StudyLoader(warehouse, config, reporter)
            futures = [pool.submit(load, study) for study in by_study.values()]
            try:
                loaded = [future.result() for future in futures]
            except KeyboardInterrupt:
                load.stopped.set()
                pool.shutdown(cancel_futures=True)
                raise
    except LoaderError as error:
        reporter.failed(None, error)
        return False
    return failures == 0 and all(loaded)


class LoadStopped(Exception):  # noqa: N818 (no error: the user asked for it)
    """Undoes a load that is under way."""


@dataclass(frozen=True)
class StudyLoader:
    """Loads the sources of one study, one after the other."""

    warehouse: Warehouse
    config: PipelineConfig
    reporter: Reporter
    stopped: threading.Event = field(default_factory=threading.Event)

    def __call__(self, sources: list[StudySource]) -> bool:
        loaded = [self._try(source) for source in sources]
        return all(loaded)

    def _try(self, source: StudySource) -> bool:
        try:
            self._load(source)
        except LoaderError as error:
            self.reporter.failed(source.accession, error)
            return False
        except LoadStopped:
            return False
        return True

    def _load(self, source: StudySource) -> None:
        watch = Stopwatch()
        accession = source.accession
        if not ACCESSION.fullmatch(accession):
            raise LoaderError(
                "VALIDATION_INVALID_IDENTIFIER",
                f"the study accession is {accession!r}",
                file=source.metadata.label,
                expected="letters, digits, '.', '_' and '-', at most 50 of them",
            )
        config = self.config.study(accession)
        metadata = source.metadata.study(accession)
        matrix = read_matrix(source.download, accession, config.skip_samples)
        _check_samples(matrix, metadata, source.metadata.label, self.config)
        metadata = metadata.without(config.skip_samples)
        file = source.download.identify(matrix.name)
        key = BatchKey(batch_id(file, accession, metadata.created_at), accession, file)
        self.reporter.step(
            accession, "hashed", batch_id=key.batch_id, bytes=file.size, seconds=watch.seconds
        )

        known = self.warehouse.find_batch(key.batch_id)
        is_changed = known and (
            known.config_snapshot != config.snapshot() or known.metadata_json != metadata.to_json()
        )
        if known and not is_changed:
            self.reporter.step(accession, "skipped", batch_id=key.batch_id, status=known.status)
        elif known and _same_rows(known, config):
            self._restage(key, matrix, metadata, config)
        else:
            self._stage(key, matrix, metadata, config, is_known=known is not None)

    def _stage(
        self,
        key: BatchKey,
        matrix: Matrix,
        metadata: StudyMetadata,
        config: StudyConfig,
        is_known: bool,
    ) -> None:
        watch = Stopwatch()
        summary = MatrixSummary(sample_count=len(matrix.samples))
        chunks = matrix.melt(self.config.defaults.chunk_size, summary)
        with self.warehouse.load_study() as load:
            if is_known:
                load.remove_rows(key.batch_id)
            written = load.insert_rows(key, self._with_progress(key.study_accession, chunks))
            if written != summary.row_count:
                raise LoaderError(
                    "LOAD_RECONCILIATION_FAILED",
                    f"{summary.row_count} rows were sent and {written} written",
                    file=matrix.label,
                )
            unit = _require_unit(load, matrix, metadata, config, summary)
            load.put_metadata(key, metadata.to_json())
            load.put_batch(key, metadata.created_at, summary, config.snapshot())
        self.reporter.step(
            key.study_accession,
            "staged",
            batch_id=key.batch_id,
            row_count=written,
            gene_count=summary.gene_count,
            sample_count=summary.sample_count,
            null_count=summary.null_count,
            unit_tag=unit,
            seconds=watch.seconds,
        )

    def _restage(
        self, key: BatchKey, matrix: Matrix, metadata: StudyMetadata, config: StudyConfig
    ) -> None:
        """The rows stay; what the configuration or the metadata say of them is new."""
        with self.warehouse.load_study() as load:
            summary = load.restage(key.batch_id, config.snapshot())
            load.put_metadata(key, metadata.to_json())
            unit = _require_unit(load, matrix, metadata, config, summary)
        self.reporter.step(key.study_accession, "restaged", batch_id=key.batch_id, unit_tag=unit)

    def _with_progress(
        self, accession: str, chunks: Iterator[pa.RecordBatch]
    ) -> Iterator[pa.RecordBatch]:
        task = self.reporter.begin_rows(accession)
        for chunk in chunks:
            if self.stopped.is_set():
                raise LoadStopped
            self.reporter.advance(task, chunk.num_rows)
            yield chunk


def _same_rows(known: RegisteredBatch, config: StudyConfig) -> bool:
    """Whether a known batch's staged rows are there and are those of this configuration."""
    # Read as plain JSON: an older version of the loader may have written other keys.
    skipped_before = json.loads(known.config_snapshot).get("skip_samples", [])
    is_staged = known.status in ("STAGED", "LOADED")
    return is_staged and set(skipped_before) == set(config.skip_samples)


def _check_samples(
    matrix: Matrix, metadata: StudyMetadata, metadata_label: str, pipeline: PipelineConfig
) -> None:
    """Raises LoaderError 54010 where matrix and metadata have other samples, and 54030 where the
    configuration names a sample that neither has."""
    config = pipeline.study(metadata.accession)
    in_matrix, in_metadata = set(matrix.header), set(metadata.samples)
    for sample, setting in config.named_samples().items():
        if sample not in in_matrix | in_metadata:
            raise LoaderError(
                "CONFIG_INVALID",
                f"studies.{metadata.accession}.{setting} names {sample}, "
                "which the study does not have",
                file=pipeline.label,
                action="Correct the accession in pipeline.yaml",
            )
    skipped = set(config.skip_samples)
    only_matrix = sorted(in_matrix - in_metadata - skipped)
    only_metadata = sorted(in_metadata - in_matrix - skipped)
    if only_matrix or only_metadata:
        raise LoaderError(
            "SOURCE_MISMATCH_SAMPLES",
            f"{len(only_matrix)} samples stand only in the matrix{_few(only_matrix)}, "
            f"{len(only_metadata)} only in the metadata{_few(only_metadata)}",
            file=matrix.label,
            line=1,
            expected=f"the samples of {metadata.accession} in {metadata_label}",
        )
    if not matrix.samples:
        raise LoaderError(
            "CONFIG_INVALID",
            f"studies.{metadata.accession}.skip_samples leaves no sample",
            file=pipeline.label,
        )


def _few(names: list[str]) -> str:
    if not names:
        return ""
    return f" ({', '.join(names[:5])}{' …' if len(names) > 5 else ''})"


def _require_unit(
    load: StudyLoad,
    matrix: Matrix,
    metadata: StudyMetadata,
    config: StudyConfig,
    summary: MatrixSummary,
) -> str:
    """The study's unit.

    Raises LoaderError 54020 where it cannot be told, 2007 for negative values on a linear scale.
    """
    technology = metadata.experiment.get("technology")
    unit = load.detect_unit(config.units, technology, metadata.processor_name, summary)
    if unit is None:
        raise LoaderError(
            "UNIT_UNDETECTED",
            f"technology {technology}, processor {metadata.processor_name or 'none or several'}, "
            f"{_range(summary)}: the unit cannot be told",
            file=matrix.label,
            line=2,
            action=f"Write into pipeline.yaml: studies: {{{metadata.accession}: {{units: LOG2}}}}, "
            f"with the right one of {', '.join(row['unit_tag'] for row in read_seed('unit'))}",
        )
    (entry,) = (row for row in read_seed("unit") if row["unit_tag"] == unit)
    if entry["is_log_scale"] == "0" and summary.value_min is not None and summary.value_min < 0:
        raise LoaderError(
            "VALIDATION_EXPRESSION_DOMAIN",
            f"the unit is {unit}, which is linear, but the smallest value is {summary.value_min}",
            file=matrix.label,
            expected="values of 0 and more",
        )
    return unit


def _range(summary: MatrixSummary) -> str:
    if summary.value_min is None:
        return "no values"
    return f"values {summary.value_min} to {summary.value_max}"
