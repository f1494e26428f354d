"""What a run says while it works: a progress bar on a terminal, JSON lines elsewhere."""

import contextlib
import sys
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal

import rich.console
import rich.progress
import structlog

from expression_warehouse.core.errors import UserError
from expression_warehouse.core.log_files import open_log_file

LogFormat = Literal["auto", "json", "text"]


class Reporter(ABC):
    """Receives what happens. `run_id` identifies the run in every line."""

    def __init__(self, run_id: str | None = None) -> None:
        self.run_id = run_id or str(uuid.uuid4())

    @abstractmethod
    def step(self, study: str | None, step: str, **fields: Any) -> None:
        """A step, of a study or of none, is done; fields: batch_id, counts, seconds."""

    @abstractmethod
    def warned(self, step: str, **fields: Any) -> None:
        """Something that the user should know of stops nothing."""

    @abstractmethod
    def failed(self, study: str | None, error: UserError) -> None:
        """A study, or something before any study, failed."""

    @abstractmethod
    def waiting(self, what: str) -> None:
        """Nothing moves until something else is done."""

    @abstractmethod
    def begin_rows(self, study: str) -> Any:
        """Rows start to move; returns what `advance` wants."""

    @abstractmethod
    def begin_pairs(self, what: str, total: int) -> Any:
        """That many gene pairs are computed from now on; returns what `advance` wants."""

    @abstractmethod
    def advance(self, task: Any, rows: int) -> None:
        """Rows have moved, or pairs are done."""

    def close(self) -> None:  # noqa: B027 (nothing to do is a fine implementation)
        """The run is over."""


class JsonReporter(Reporter):
    """A JSON object a line, on standard output or to a logger of its own.

    logger  has methods info, warning and error that take the line
    """

    def __init__(self, run_id: str | None = None, logger: Any = None) -> None:
        super().__init__(run_id)
        self._log = structlog.wrap_logger(
            structlog.WriteLogger(sys.stdout) if logger is None else logger,
            processors=[
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.add_log_level,
                structlog.processors.JSONRenderer(),
            ],
            run_id=self.run_id,
        )

    def step(self, study: str | None, step: str, **fields: Any) -> None:
        self._log.info(step, study_accession=study, step=step, **fields)

    def warned(self, step: str, **fields: Any) -> None:
        self._log.warning(step, step=step, **fields)

    def failed(self, study: str | None, error: UserError) -> None:
        self._log.error(
            "failed",
            study_accession=study,
            step="failed",
            error_code=error.code,
            error_name=error.name,
            file=error.file,
            line=error.line,
            found=error.found,
            expected=error.expected,
            action=error.action,
        )

    def waiting(self, what: str) -> None:
        self._log.warning("waiting", step="waiting", what=what)

    def begin_rows(self, study: str) -> None:
        return None

    def begin_pairs(self, what: str, total: int) -> None:
        return None

    def advance(self, task: Any, rows: int) -> None:
        return None


class TextReporter(Reporter):
    """For people: a progress bar a study, then a line for what became of it."""

    _SENTENCES: ClassVar = {
        "staged": "staged {row_count:,} values: {gene_count:,} genes × {sample_count:,} samples, "
        "{null_count:,} missing, unit {unit_tag}, {seconds:.1f} s",
        "restaged": "staged again with new metadata or configuration, unit {unit_tag}",
        "skipped": "known already ({status}), nothing to do",
        "doubted": "{study_accession} {error}",
        "not_shown": "{study_accession}: the views show another load of the study, batch "
        "{shown:.12}, whose download is newer, or as new and staged later",
        "studies_unknown": "{file} names studies that neither these downloads nor the warehouse "
        "have: {studies}",
        "found": "{study_accession_code} {validation_code}: {subject}: {finding} "
        "({finding_count:,} in all)",
        "node_failed": "{node}: {message}",
        "node_warned": "{node}: {message}",
        "retrying": "attempt {attempt} broke off, the next one follows in {seconds} s: {reason}",
        "built": "built: {failed_count} nodes failed, {warned_count} tests warn, "
        "{attempts} attempts, {seconds:.1f} s",
        "recorded": "what happened: select * from meta.vw_run where run_id = '{run}'",
        "run_ended": "{status} in {seconds:.1f} s",
        "quarantined": "{study_accession}: quarantined: its rows stay in staging and go no further",
        "pairs_staged": "{file}: staged {row_count:,} pairs of {disease}, {replaced_count:,} in "
        "place of an earlier load's, {seconds:.1f} s; dbt build brings them into the fact",
        "pairs_skipped": "{file}: staged already, nothing to do",
        "columns_ignored": "{file}: no metrics, ignored: {columns}",
        "rows_repeated": "{file}: {row_count:,} rows repeat another one, left out",
        "rows_override": "{file}: {override_count:,} pairs have csv_override = 1 and go before "
        "what the studies give; the fact has {fact_row_count:,} rows of them now",
        "archive_purged": "{verb} {folder_count:,} archived studies older than {days} days",
        "logs_purged": "{verb} {folder_count:,} days of logs older than {days} days",
        "staging_purged": "{verb} {row_count:,} staged rows older than {days} days; batches "
        "purged: {purged_count:,}, taken out of the register: {removed_count:,}",
        "db_logs_purged": "{verb} {step_count:,} steps and {finding_count:,} findings older than "
        "{days} days from the logs of the warehouse",
        "screened": "{disease} {technology}: {pair_count:,} pairs of {gene_count:,} genes in "
        "{study_count} studies, {kept_count:,} kept, {significant_count:,} of them with q ≤ 0.05 "
        "in a test, {seconds:.1f} s; dbt build computes them",
        "correlated": "{cohort}: {found_count:,} of {pair_count:,} pairs of {gene_count:,} genes "
        "have q ≤ {fdr}, in {file}, {seconds:.1f} s",
        "published": "{file}: {row_count:,} significant pairs of {disease}",
        "positives_missing": "{slice}: no pair holds {genes} of seed watch_list; the ranking "
        "learns from the other genes",
        "pairs_ranked": "{slice}: ranked {pair_count:,} pairs, {positive_count} of the watch list "
        "as examples, {seconds:.1f} s; dbt build brings the scores into the fact",
        "features_exported": "{file}: {row_count:,} rows, {seconds:.1f} s",
        "publish_skipped": "{file}: has the {row_count:,} significant pairs of {disease} already, "
        "nothing new",
    }

    def __init__(self, run_id: str | None = None) -> None:
        super().__init__(run_id)
        self._out = rich.console.Console(highlight=False, soft_wrap=True)
        self._err = rich.console.Console(stderr=True, highlight=False, soft_wrap=True)
        self._bars = rich.progress.Progress(
            rich.progress.TextColumn("{task.description:<12}"),
            rich.progress.BarColumn(),
            rich.progress.TextColumn("{task.completed:,.0f} {task.fields[unit]}"),
            rich.progress.TimeElapsedColumn(),
            rich.progress.TimeRemainingColumn(),
            console=self._out,
            transient=True,
            disable=not self._out.is_terminal,
        )
        self._bars.start()

    def step(self, study: str | None, step: str, **fields: Any) -> None:
        if sentence := self._SENTENCES.get(step):
            subject = f"{study:<12} " if study else ""
            self._out.print(f"{subject}{sentence.format(**fields)}", markup=False)

    def warned(self, step: str, **fields: Any) -> None:
        self._err.print(self._SENTENCES[step].format(**fields), style="yellow", markup=False)

    def failed(self, study: str | None, error: UserError) -> None:
        self._err.print(f"{study or ''} {error}".strip(), style="red", markup=False)

    def waiting(self, what: str) -> None:
        self._err.print(what, markup=False)

    def begin_rows(self, study: str) -> rich.progress.TaskID:
        return self._bars.add_task(study, total=None, unit="values")

    def begin_pairs(self, what: str, total: int) -> rich.progress.TaskID:
        return self._bars.add_task(what, total=total, unit="gene pairs")

    def advance(self, task: rich.progress.TaskID, rows: int) -> None:
        self._bars.advance(task, rows)

    def close(self) -> None:
        self._bars.stop()


class TwoReporters(Reporter):
    """Hands everything to two others."""

    def __init__(self, first: Reporter, second: Reporter) -> None:
        super().__init__(first.run_id)
        self._both = (first, second)

    def step(self, study: str | None, step: str, **fields: Any) -> None:
        for reporter in self._both:
            reporter.step(study, step, **fields)

    def warned(self, step: str, **fields: Any) -> None:
        for reporter in self._both:
            reporter.warned(step, **fields)

    def failed(self, study: str | None, error: UserError) -> None:
        for reporter in self._both:
            reporter.failed(study, error)

    def waiting(self, what: str) -> None:
        for reporter in self._both:
            reporter.waiting(what)

    def begin_rows(self, study: str) -> tuple[Any, ...]:
        return tuple(reporter.begin_rows(study) for reporter in self._both)

    def begin_pairs(self, what: str, total: int) -> tuple[Any, ...]:
        return tuple(reporter.begin_pairs(what, total) for reporter in self._both)

    def advance(self, task: tuple[Any, ...], rows: int) -> None:
        for reporter, own in zip(self._both, task, strict=True):
            reporter.advance(own, rows)

    def close(self) -> None:
        for reporter in self._both:
            reporter.close()


@contextlib.contextmanager
def open_reporter(
    log_format: LogFormat, log_folder: Path | None = None, command: str = "loader"
) -> Iterator[Reporter]:
    """The reporter for a format; `auto` is text on a terminal and JSON elsewhere.

    log_folder  also gets the JSON lines, in a file named after the command, where it is given and
                can be written to
    """
    as_text = log_format == "text" or (log_format == "auto" and sys.stdout.isatty())
    reporter: Reporter = TextReporter() if as_text else JsonReporter()
    with contextlib.ExitStack() as stack:
        stack.callback(reporter.close)
        if log_folder:
            logger = stack.enter_context(open_log_file(log_folder, command, reporter.run_id))
            if logger:
                reporter = TwoReporters(reporter, JsonReporter(reporter.run_id, logger))
        yield reporter


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._start = time.perf_counter()

    @property
    def seconds(self) -> float:
        return round(time.perf_counter() - self._start, 3)
