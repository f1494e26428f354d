"""From downloads to staged batches: one study in one transaction, several studies at a time."""

import json
import re
import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from expression_warehouse.core.config import PipelineConfig, StudyConfig
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.process_log import ProcessLog, Step, command_context
from expression_warehouse.core.reporting import Reporter, Stopwatch
from expression_warehouse.core.warehouse.base import BatchKey, RegisteredBatch, StudyLoad, Warehouse
from expression_warehouse.core.warehouse.matrix_rows import MatrixSummary
from loader.source.archive import archive_download
from loader.source.batch import batch_id
from loader.source.batch_rules import (
    check_named_samples,
    detect_unit,
    sample_mismatch,
    unended_line,
)
from loader.source.download import Download, find_downloads, open_download
from loader.source.matrix import Matrix, read_matrix
from loader.source.metadata import AggregatedMetadata, StudyMetadata

# What `dbt build --select study:` takes.
ACCESSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,49}")


# A study, where one is concerned, and what went wrong.
Failure = tuple[str | None, UserError]


@dataclass(frozen=True)
class StudySource:
    """One study of one download."""

    accession: str
    download: Download
    metadata: AggregatedMetadata


def discover(
    paths: Iterable[Path], accessions: Iterable[str], reporter: Reporter
) -> tuple[list[StudySource], list[Failure]]:
    """The studies to load from all paths, and the downloads and accessions that failed.

    accessions  only these; all studies where there are none
    """
    sources: list[StudySource] = []
    failures: list[Failure] = []
    wanted = list(accessions)
    for download in _open_downloads(paths):
        if isinstance(download, UserError):
            failures.append((None, download))
            continue
        try:
            metadata = AggregatedMetadata(download)
        except UserError as error:
            failures.append((None, error))
            continue
        # A matrix that the metadata do not name is a study too: loading it says so.
        names = dict.fromkeys([*metadata.accessions, *download.matrices()])
        sources += [
            StudySource(name, download, metadata) for name in names if name in wanted or not wanted
        ]
    for missing in sorted(set(wanted) - {source.accession for source in sources}):
        error = UserError("STUDY_NOT_FOUND", f"no download here has the study {missing}")
        failures.append((missing, error))
    for study, error in failures:
        reporter.failed(study, error)
    return sources, failures


def _open_downloads(paths: Iterable[Path]) -> Iterator[Download | UserError]:
    """Each download, or the error in its place: one that is broken stops no other."""
    for path in paths:
        try:
            found = find_downloads(path)
        except UserError as error:
            yield error
            continue
        for candidate in found:
            try:
                yield open_download(candidate)
            except UserError as error:
                yield error


@dataclass(frozen=True)
class IngestResult:
    """What became of an ingest.

    accessions  the studies that are staged now, or were before
    batch_ids   their batches
    error       the first one; without it, everything that was asked for is staged
    """

    accessions: list[str]
    batch_ids: list[str]
    error: UserError | None

    @property
    def is_done(self) -> bool:
        """Whether everything that was asked for is staged now, or was before."""
        return self.error is None


def ingest(
    paths: Iterable[Path],
    accessions: Iterable[str],
    config: PipelineConfig,
    open_warehouse: Callable[[Callable[[str], None]], Warehouse],
    reporter: Reporter,
    always_opens: bool = False,
) -> IngestResult:
    """Load all studies of the paths; a study that fails leaves the others alone.

    open_warehouse  takes what to tell the user while it waits
    always_opens    the warehouse, to log what failed, even where no study was found

    Raises KeyboardInterrupt once all running loads are undone.
    """
    paths, accessions = list(paths), list(accessions)
    sources, failures = discover(paths, accessions, reporter)
    by_study: dict[str, list[StudySource]] = defaultdict(list)
    for source in sources:
        by_study[source.accession].append(source)
    first_failure = failures[0][1] if failures else None
    if not by_study and not always_opens:
        return IngestResult([], [], first_failure)
    context = command_context(config.text, paths=[str(path) for path in paths])
    try:
        with open_warehouse(reporter.waiting) as warehouse:
            log = ProcessLog(warehouse, reporter.run_id)
            with log.step("ingest", context) as step:
                log.begin(step)
                for study, error in failures:
                    log.finding(study, None, error)
                    log.end(Step("find_study", {"study_accession": study}), error)
                if not accessions:
                    _warn_of_unknown_studies(config, by_study, warehouse, reporter)
                load = StudyLoader(warehouse, config, reporter, log)
                loaded = _load_all(by_study.values(), load)
                step.error = first_failure or (load.errors[0] if load.errors else None)
    except UserError as error:
        reporter.failed(None, error)
        return IngestResult([], [], error)
    staged = [name for name, is_staged in zip(by_study, loaded, strict=True) if is_staged]
    return IngestResult(staged, load.batch_ids, step.error)


def _warn_of_unknown_studies(
    config: PipelineConfig, found: Collection[str], warehouse: Warehouse, reporter: Reporter
) -> None:
    """What pipeline.yaml says of a study that nobody knows is perhaps meant for another one."""
    query = "select distinct study_accession_code from {staging}.batch"
    registered = warehouse.read(query, {})["study_accession_code"].to_pylist()
    if unknown := sorted(set(config.studies) - {*found, *registered}):
        reporter.warned("studies_unknown", file=config.label, studies=", ".join(unknown))


def _load_all(studies: Iterable[list[StudySource]], load: "StudyLoader") -> list[bool]:
    with ThreadPoolExecutor(load.config.defaults.parallelism) as pool:
        futures = [pool.submit(load, study) for study in studies]
        try:
            return [future.result() for future in futures]
        except KeyboardInterrupt:
            load.stopped.set()
            pool.shutdown(cancel_futures=True)
            raise


class LoadStopped(Exception):  # noqa: N818 (no error: the user asked for it)
    """Undoes a load that is under way."""


@dataclass(frozen=True)
class StudyLoader:
    """Loads the sources of one study, one after the other."""

    warehouse: Warehouse
    config: PipelineConfig
    reporter: Reporter
    log: ProcessLog
    batch_ids: list[str] = field(default_factory=list)
    errors: list[UserError] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def __call__(self, sources: list[StudySource]) -> bool:
        loaded = [self._try(source) for source in sources]
        return all(loaded)

    def _try(self, source: StudySource) -> bool:
        context = {"study_accession": source.accession, "download": source.metadata.label}
        step = None
        try:
            with self.log.step("stage_study", context) as step:
                self._load(source, step)
        except UserError as error:
            self.errors.append(error)
            self.log.finding(source.accession, step.batch_id, error)
            self.reporter.failed(source.accession, error)
            return False
        except LoadStopped:
            return False
        self.batch_ids.append(step.batch_id)
        return True

    def _load(self, source: StudySource, step: Step) -> None:
        watch = Stopwatch()
        accession = source.accession
        if not ACCESSION.fullmatch(accession):
            raise UserError(
                "VALIDATION_INVALID_IDENTIFIER",
                f"the study accession is {accession!r}",
                file=source.metadata.label,
                expected="letters, digits, '.', '_' and '-', at most 50 of them",
            )
        config = self.config.study(accession)
        metadata = source.metadata.study(accession)
        matrix = read_matrix(source.download, accession, config.skip_samples)
        check_named_samples(matrix, metadata, self.config)
        mismatch = sample_mismatch(matrix, metadata, source.metadata.label, config)
        metadata = metadata.without(config.skip_samples)
        file = source.download.identify(matrix.name)
        key = BatchKey(batch_id(file, accession, metadata.created_at), accession, file)
        self.reporter.step(
            accession, "hashed", batch_id=key.batch_id, bytes=file.size, seconds=watch.seconds
        )

        step.batch_id = key.batch_id
        step.context |= {
            "file_name": file.name,
            "file_hash": file.sha256,
            "file_size": file.size,
            "config_snapshot": json.loads(config.snapshot()),
        }
        known = self.warehouse.find_batch(key.batch_id)
        is_changed = known and (
            known.config_snapshot != config.snapshot() or known.metadata_json != metadata.to_json()
        )
        if known and not is_changed:
            self._skip(key, known, step)
            return
        self.log.begin(step)
        batch = _NewBatch(key, source.download, matrix, metadata, config, mismatch, known)
        if known and _same_rows(known, config):
            self._restage(batch, step)
        else:
            self._stage(batch, step)
        step.context["seconds"] = watch.seconds

    def _skip(self, key: BatchKey, known: RegisteredBatch, step: Step) -> None:
        if known.status == "QUARANTINED":
            raise UserError(
                "LOAD_BATCH_QUARANTINED",
                f"the batch is quarantined: {known.quarantine_reason}",
                file=key.file.name,
            )
        step.status = "SKIPPED"
        self.reporter.step(
            key.study_accession, "skipped", batch_id=key.batch_id, status=known.status
        )
        if shown := self._shown_instead(key):
            self.reporter.warned("not_shown", study_accession=key.study_accession, **shown)

    def _shown_instead(self, key: BatchKey) -> dict[str, str] | None:
        """The batch of the study that the views show, where it is another one."""
        query = (
            "select batch_id from {staging}.stg_loaded_batch where study_accession_code = $study"
        )
        try:
            rows = self.warehouse.read(query, {}, {"study": key.study_accession})
            shown = rows["batch_id"].to_pylist()
        except UserError as error:
            if error.name != "LOAD_WAREHOUSE_NOT_BUILT":
                raise
            return None
        return {"shown": shown[0]} if shown and shown[0] != key.batch_id else None

    def _stage(self, batch: "_NewBatch", step: Step) -> None:
        watch = Stopwatch()
        key, matrix, config = batch.key, batch.matrix, batch.config
        summary = MatrixSummary(sample_count=len(matrix.samples))
        chunks = matrix.melt(self.config.defaults.chunk_size, summary)
        with self.warehouse.load_study() as load:
            if batch.known:
                load.remove_rows(key.batch_id)
            written = load.insert_rows(key, self._with_progress(key.study_accession, chunks))
            if written != summary.row_count:
                raise UserError(
                    "LOAD_RECONCILIATION_FAILED",
                    f"{summary.row_count} rows were sent and {written} written",
                    file=matrix.label,
                )
            load.put_metadata(key, batch.metadata.to_json())
            load.put_batch(key, batch.metadata.created_at, summary, config.snapshot())
            unit, broken_rule = batch.check(load, summary)
            # Before the load is published: what is staged is archived.
            if not broken_rule:
                self._archive(batch)
        step.rows_read = step.rows_written = written
        if doubt := unended_line(matrix, summary):
            self._warn(key, doubt)
        if broken_rule:
            self.reporter.warned("quarantined", study_accession=key.study_accession)
            raise broken_rule
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

    def _warn(self, key: BatchKey, error: UserError) -> None:
        self.log.finding(key.study_accession, key.batch_id, error)
        self.reporter.warned("doubted", study_accession=key.study_accession, error=str(error))

    def _archive(self, batch: "_NewBatch") -> None:
        if folder := self.config.folder("archive"):
            accession, metadata_json = batch.key.study_accession, batch.metadata.to_json()
            archive_download(batch.download, accession, batch.key.batch_id, metadata_json, folder)

    def _restage(self, batch: "_NewBatch", step: Step) -> None:
        """The rows stay; what the configuration or the metadata say of them is new."""
        key = batch.key
        with self.warehouse.load_study() as load:
            summary = load.restage(key.batch_id, batch.config.snapshot(), batch.released_by)
            load.put_metadata(key, batch.metadata.to_json())
            unit, broken_rule = batch.check(load, summary)
            if not broken_rule:
                self._archive(batch)
        step.rows_written = 0
        if broken_rule:
            self.reporter.warned("quarantined", study_accession=key.study_accession)
            raise broken_rule
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


@dataclass(frozen=True)
class _NewBatch:
    """A batch that is staged for the first time or again.

    mismatch  54010 where matrix and metadata have other samples
    known     what the register said of it before
    """

    key: BatchKey
    download: Download
    matrix: Matrix
    metadata: StudyMetadata
    config: StudyConfig
    mismatch: UserError | None
    known: RegisteredBatch | None

    @property
    def released_by(self) -> str | None:
        """Who released the batch, which holds for as long as it has the same rows and unit."""
        if not self.known or not _same_rows(self.known, self.config):
            return None
        unit_before = json.loads(self.known.config_snapshot).get("units")
        return self.known.released_by if unit_before == self.config.units else None

    def check(self, load: StudyLoad, summary: MatrixSummary) -> tuple[str | None, UserError | None]:
        """The batch's unit, and the rule that it breaks, for which it is quarantined.

        Raises that error for a batch that was right before: its load is undone, and it stays.
        """
        unit, unit_error = detect_unit(load, self.matrix, self.metadata, self.config, summary)
        if unit_error and unit_error.is_releasable and self.released_by:
            unit_error = None
        error = self.mismatch or unit_error
        if error and self.known and self.known.status != "QUARANTINED":
            raise error
        if error:
            load.quarantine(self.key.batch_id, f"{error.code} {error.name}: {error.found}")
        return unit, error


def _same_rows(known: RegisteredBatch, config: StudyConfig) -> bool:
    """Whether a known batch's staged rows are there and are those of this configuration."""
    # Read as plain JSON: an older version of the loader may have written other keys.
    skipped_before = json.loads(known.config_snapshot).get("skip_samples", [])
    is_staged = known.status in ("STAGED", "VALIDATED", "LOADED", "QUARANTINED")
    return is_staged and set(skipped_before) == set(config.skip_samples)
