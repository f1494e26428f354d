"""The load of one study: register its batch, stream its rows into staging, check them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

import pyarrow as pa

from expression_warehouse.core import signals
from expression_warehouse.core.accession import ACCESSION
from expression_warehouse.core.config import PipelineConfig, StudyConfig
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.listed import counted
from expression_warehouse.core.process_log import ProcessLog, Step
from expression_warehouse.core.reporting import Reporter, Stopwatch
from expression_warehouse.core.warehouse.base import RegisteredBatch, Warehouse
from expression_warehouse.core.warehouse.matrix_rows import MatrixSummary
from expression_warehouse.core.warehouse.study_load import BatchKey, StudyLoad
from loader.replacement import EarlierBatch, find_earlier
from loader.source.archive import archive_matrix, check_unchanged
from loader.source.batch import batch_id
from loader.source.batch_rules import (
    check_named_samples,
    detect_unit,
    doubts,
    missing_samples,
    sample_mismatch,
    samples_without_values,
    unit_doubt,
)
from loader.source.joined import join_parts
from loader.source.matrix import Matrix
from loader.source.metadata import StudyMetadata
from loader.source.study import StudySource
from loader.source.subjects import doubted_subjects, resolve_subjects
from loader.summary import Outcomes, error_of, quarantined


@dataclass(frozen=True)
class StudyLoader:
    """Each call loads the sources of one study, one after the other. Threads share the loader.

    outcomes   receives what became of each study
    reload     whether to stage known batches again
    batch_ids  batches that are staged now, or were before
    errors     of the sources that failed
    """

    warehouse: Warehouse
    config: PipelineConfig
    reporter: Reporter
    log: ProcessLog
    outcomes: Outcomes
    reload: bool = False
    batch_ids: list[str] = field(default_factory=list)
    errors: list[UserError] = field(default_factory=list)

    def __call__(self, sources: list[StudySource]) -> None:
        accession = sources[0].accession
        parts = join_parts(sources, self.config.study(accession))
        statuses = [self._try(source) for source in parts]
        if accession not in self.outcomes.failed:
            is_new = "SUCCESS" in statuses
            (self.outcomes.staged if is_new else self.outcomes.unchanged).append(accession)

    def _try(self, source: StudySource) -> str:
        """Load one source; return the status of its step."""
        signals.check()
        context = {"study_accession": source.accession, "download": source.metadata_label}
        step: Step | None = None
        try:
            # The step begins once the batch is known, because its row RUNNING names the batch.
            with self.log.step("stage_study", context, begins_later=True) as step:
                self._load(source, step)
        except UserError as error:
            self.errors.append(error)
            self.log.finding(source.accession, step.batch_id if step else None, error)
            self.reporter.failed(source.accession, error)
            cause = step.context.get("quarantine_reason") if step else None
            self.outcomes.failed[source.accession] = error_of(cause) if cause else error.name
            return "FAILED"
        if step.batch_id:
            self.batch_ids.append(step.batch_id)
        return step.status

    def _load(self, source: StudySource, step: Step) -> None:
        watch = Stopwatch()
        accession = source.accession
        if not ACCESSION.fullmatch(accession):
            raise UserError(
                "VALIDATION_INVALID_IDENTIFIER",
                f"the study accession is {accession!r}",
                file=source.metadata_label,
                expected="letters, digits, '.', '_' and '-', at most 50 of them",
            )
        config = self.config.study(accession)
        # Before the header is read, so that a file that changes from then on is noticed.
        text = source.find_text(config)
        file = text.identify()
        metadata, matrix, config = source.read(config, text)
        check_named_samples(matrix, metadata, self.config)
        mismatch = sample_mismatch(matrix, metadata, source.metadata_label, config)
        metadata = metadata.without(config.skip_samples)
        without_values = missing_samples(matrix, metadata)
        if not config.strict_samples:
            metadata = metadata.without(samples_without_values(matrix, metadata))
        config = resolve_subjects(config, metadata)
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
            self.reload
            or known.config_snapshot != config.snapshot()
            or known.metadata_json != metadata.to_json()
        )
        if known and not is_changed:
            self._skip(key, known, step)
            return
        self.log.begin(step)
        earlier = find_earlier(self.warehouse, key)
        batch = _NewBatch(key, matrix, metadata, config, mismatch, known, earlier)
        if known and _same_rows(known, config):
            self._restage(batch, step)
        else:
            self._stage(batch, step)
        if without_values and not mismatch:
            self._warn(key, without_values)
        for finding in filter(None, (source.finding, metadata.finding)):
            self._warn(key, finding)
        if doubt := batch.hidden_samples():
            self._warn(key, doubt)
        if doubt := doubted_subjects(config, metadata, source.metadata_label):
            self._warn(key, doubt)
        step.context["seconds"] = watch.seconds

    def _skip(self, key: BatchKey, known: RegisteredBatch, step: Step) -> None:
        if known.status == "QUARANTINED":
            step.context["quarantine_reason"] = known.quarantine_reason
            raise quarantined(
                f"the batch is quarantined: {known.quarantine_reason}",
                known.quarantine_reason or "",
                key.file.name,
            )
        step.status = "SKIPPED"
        self.reporter.step(
            key.study_accession, "skipped", batch_id=key.batch_id, status=known.status
        )
        if newer := self._newer_batch(key):
            self.reporter.warned("superseded", study_accession=key.study_accession, **newer)

    def _newer_batch(self, key: BatchKey) -> dict[str, str] | None:
        """The batch that is the study's current one, if it is another one."""
        query = "select batch_id from {staging}.stg_batch where study_accession_code = $study"
        rows = self.warehouse.read_rows_if_built(query, {"study": key.study_accession})
        current = rows[0]["batch_id"] if rows else key.batch_id
        return {"current": current} if current != key.batch_id else None

    def _stage(self, batch: "_NewBatch", step: Step) -> None:
        watch = Stopwatch()
        key, matrix, config = batch.key, batch.matrix, batch.config
        summary = MatrixSummary(sample_count=len(matrix.samples))
        chunks = matrix.melt(self.config.defaults.chunk_size, summary)
        with self.warehouse.load_study() as load:
            if batch.known:
                load.remove_rows(key.batch_id)
            written = load.insert_rows(key, self._with_progress(key.study_accession, chunks))
            batch.refuse_smaller(summary)
            if written != summary.row_count:
                raise UserError(
                    "LOAD_RECONCILIATION_FAILED",
                    f"sent {counted(summary.row_count, 'row')}, written {written:,}",
                    file=matrix.label,
                )
            check_unchanged(matrix.sha256, key.file.sha256, matrix.label)
            load.put_symbol_hints(key.batch_id, matrix.symbol_hints.table())
            load.put_metadata(key, batch.metadata.to_json())
            load.put_batch(key, batch.metadata.created_at, summary, config.snapshot())
            unit, broken_rule = batch.check(load, summary)
            # Before the load is published, so that everything staged is archived. A quarantined
            # batch is too, since it can be released.
            self._archive(batch)
        step.rows_read = written + summary.dropped_count
        step.rows_written = written
        for doubt in doubts(matrix, summary):
            self._warn(key, doubt)
        if broken_rule:
            self.reporter.warned("quarantined", study_accession=key.study_accession)
            raise broken_rule
        if doubted := unit_doubt(unit, batch.matrix, batch.metadata, batch.config, summary):
            self._warn(key, doubted)
        self.reporter.step(
            key.study_accession,
            "staged",
            batch_id=key.batch_id,
            row_count=written,
            gene_count=summary.gene_count,
            sample_count=summary.sample_count,
            null_count=summary.null_count,
            unit_tag=unit,
            gene_id_form=summary.gene_id_form,
            layout=summary.layout,
            seconds=watch.seconds,
        )

    def _warn(self, key: BatchKey, error: UserError) -> None:
        self.log.finding(key.study_accession, key.batch_id, error)
        self.reporter.warned("doubted", study_accession=key.study_accession, error=str(error))

    def _archive(self, batch: "_NewBatch") -> None:
        if folder := self.config.folder("archive"):
            archive_matrix(
                batch.matrix.text,
                batch.key.study_accession,
                batch.key.batch_id,
                batch.key.file.sha256,
                batch.metadata.to_json(),
                folder,
            )

    def _restage(self, batch: "_NewBatch", step: Step) -> None:
        """Keep the rows, and write the new configuration or metadata."""
        key = batch.key
        with self.warehouse.load_study() as load:
            summary = load.restage(key.batch_id, batch.config.snapshot(), batch.released_by)
            load.put_metadata(key, batch.metadata.to_json())
            unit, broken_rule = batch.check(load, summary)
            self._archive(batch)
        step.rows_written = 0
        if broken_rule:
            self.reporter.warned("quarantined", study_accession=key.study_accession)
            raise broken_rule
        if doubted := unit_doubt(unit, batch.matrix, batch.metadata, batch.config, summary):
            self._warn(key, doubted)
        self.reporter.step(key.study_accession, "restaged", batch_id=key.batch_id, unit_tag=unit)

    def _with_progress(
        self, accession: str, chunks: Iterator[pa.RecordBatch]
    ) -> Iterator[pa.RecordBatch]:
        task = self.reporter.begin(accession, "values")
        try:
            for chunk in chunks:
                signals.check()
                self.reporter.advance(task, chunk.num_rows)
                yield chunk
        finally:
            self.reporter.end(task)


@dataclass(frozen=True)
class _NewBatch:
    """A batch that is staged for the first time or again.

    mismatch  54010 if matrix and metadata have different samples
    known     its row of the register before this load
    earlier   the study's newest batch but for this one
    """

    key: BatchKey
    matrix: Matrix
    metadata: StudyMetadata
    config: StudyConfig
    mismatch: UserError | None
    known: RegisteredBatch | None
    earlier: EarlierBatch | None

    def refuse_smaller(self, summary: MatrixSummary) -> None:
        """Raises UserError 2018 if the batch would replace a far larger one."""
        if self.earlier:
            created_at = self.metadata.created_at
            self.earlier.refuse_smaller(self.key, created_at, summary, self.config)

    def hidden_samples(self) -> UserError | None:
        """54014 if samples are no longer shown because of this batch, or not shown in it."""
        if not self.earlier:
            return None
        return self.earlier.hidden_samples(
            self.key, self.metadata.created_at, self.matrix.samples, self.config
        )

    @property
    def released_by(self) -> str | None:
        """Who released the batch. A release holds as long as rows and unit stay the same."""
        if not self.known or not _same_rows(self.known, self.config):
            return None
        unit_before = json.loads(self.known.config_snapshot).get("units")
        return self.known.released_by if unit_before == self.config.units else None

    def check(self, load: StudyLoad, summary: MatrixSummary) -> tuple[str | None, UserError | None]:
        """The batch's unit, and the error of the rule that it breaks; then it is quarantined.

        Raises that error for a batch that was valid before: its load is undone, and it stays.
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
    """Whether the rows of a known batch are staged, with the samples of this configuration."""
    # Plain JSON: an older version of the loader may have written other keys.
    before = json.loads(known.config_snapshot)
    return (
        known.status in ("STAGED", "VALIDATED", "LOADED", "QUARANTINED")
        and set(before.get("skip_samples", [])) == set(config.skip_samples)
        and (before.get("sample_names") or None) == (config.sample_names or None)
    )
