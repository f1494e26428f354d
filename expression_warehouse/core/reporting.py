"""What a command says while it works: lines and bars for people, JSON lines for programs."""

import contextlib
import sys
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import structlog

from expression_warehouse.core.errors import UserError
from expression_warehouse.core.log_files import open_log_file


class Reporter(ABC):
    """Receives what happens. `run_id` identifies the run in every line."""

    def __init__(self, run_id: str | None = None) -> None:
        self.run_id = run_id or str(uuid.uuid4())

    @abstractmethod
    def step(self, study: str | None, step: str, **fields: Any) -> None:
        """A step, of a study or of none, is done; fields: batch_id, counts, seconds."""

    @abstractmethod
    def warned(self, step: str, **fields: Any) -> None:
        """Something that the user should know of, but that does not stop the command."""

    @abstractmethod
    def failed(self, study: str | None, error: UserError) -> None:
        """A study failed, or something that concerns no single study."""

    @abstractmethod
    def waiting(self, what: str) -> None:
        """The command waits for something else to finish."""

    @abstractmethod
    def stopped(self, reason: str, outcome: str) -> None:
        """A signal stopped the command; `outcome` says what it leaves behind."""

    def begin(self, what: str, unit: str, total: int | None = None) -> Any:  # noqa: B027 (optional)
        """Work on `total` units starts, if their number is known; returns the task for `advance`
        and `end`."""

    def advance(self, task: Any, count: int) -> None:  # noqa: B027 (optional)
        """`count` more units are done."""

    def end(self, task: Any) -> None:  # noqa: B027 (optional)
        """The task is over, complete or not."""

    def close(self) -> None:  # noqa: B027 (optional)
        """The run is over."""


class JsonReporter(Reporter):
    """One JSON object per line, on standard output or to a logger of its own.

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

    def stopped(self, reason: str, outcome: str) -> None:
        self._log.warning("stopped", step="stopped", reason=reason, outcome=outcome)


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

    def stopped(self, reason: str, outcome: str) -> None:
        for reporter in self._both:
            reporter.stopped(reason, outcome)

    def begin(self, what: str, unit: str, total: int | None = None) -> tuple[Any, ...]:
        return tuple(reporter.begin(what, unit, total) for reporter in self._both)

    def advance(self, task: tuple[Any, ...], count: int) -> None:
        for reporter, its_task in zip(self._both, task, strict=True):
            reporter.advance(its_task, count)

    def end(self, task: tuple[Any, ...]) -> None:
        for reporter, its_task in zip(self._both, task, strict=True):
            reporter.end(its_task)

    def close(self) -> None:
        for reporter in self._both:
            reporter.close()


def prints_json(log_format: str) -> bool:
    """Whether a format is JSON; `auto` is text on a terminal and JSON elsewhere."""
    return log_format == "json" or (log_format == "auto" and not sys.stdout.isatty())


@contextlib.contextmanager
def open_reporter(
    log_format: str, log_folder: Path | None = None, command: str = "loader"
) -> Iterator[Reporter]:
    """The reporter for a format.

    log_folder  also receives the JSON lines, in a file named after the command, if it is given and
                can be written to
    """
    with contextlib.ExitStack() as stack:
        reporter: Reporter
        if prints_json(log_format):
            reporter = JsonReporter()
        else:
            from expression_warehouse.core.text_reporter import TextReporter

            reporter = TextReporter()
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
