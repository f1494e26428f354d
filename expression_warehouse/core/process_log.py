"""What a run writes into schema meta: its steps, and what it found wrong with the data."""

import contextlib
import datetime
import hashlib
import importlib.metadata
import json
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from expression_warehouse.core import signals
from expression_warehouse.core.clock import utc_now
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.files import remove_temporary
from expression_warehouse.core.reporting import Reporter
from expression_warehouse.core.warehouse.base import PROCESS_DIED, Finding, StepRecord, Warehouse

# Its argument takes what to tell the user while it waits.
OpenWarehouse = Callable[[Callable[[str], None]], Warehouse]

_PACKAGES = ("expression-warehouse", "dbt-core", "duckdb", "pyarrow")

# All other errors are about the environment, not about the data.
_ABOUT_DATA = (range(1000, 4000), range(54000, 54300), range(54500, 54502), range(54503, 54505))


@dataclass
class Step:
    """A step under way; its fields are written when it ends.

    context  becomes context_json
    error    the first error of a step that went on in spite of it
    """

    name: str
    context: dict[str, Any]
    batch_id: str | None = None
    rows_read: int | None = None
    rows_written: int | None = None
    status: str = "SUCCESS"
    error: UserError | None = None
    started_at: datetime.datetime = field(default_factory=utc_now)


@dataclass(frozen=True)
class ProcessLog:
    """The log of one run in an open warehouse."""

    warehouse: Warehouse
    run_id: str

    @contextlib.contextmanager
    def step(
        self, name: str, context: dict[str, Any], begins_later: bool = False
    ) -> Iterator[Step]:
        """A step: RUNNING, then SUCCESS (or what the block sets) if the block ends, FAILED if it
        raises.

        begins_later  the block calls `begin`, if it gets that far
        """
        step = Step(name, context)
        try:
            if not begins_later:
                self.begin(step)
            yield step
        except BaseException as error:
            # The first error matters more than a log that cannot be written either.
            with contextlib.suppress(UserError):
                self.end(step, error)
            raise
        self.end(step)

    def begin(self, step: Step) -> None:
        """Write the step as RUNNING, so that a process that dies leaves a trace; end the steps of
        earlier processes that died."""
        for dead in self.warehouse.mark_alive(self.run_id):
            self.warehouse.end_running_steps(dead, utc_now(), PROCESS_DIED)
            remove_temporary(dead)
        self._write(step, "RUNNING")

    def end(self, step: Step, error: BaseException | None = None) -> None:
        """Write the outcome of the step: its status, or FAILED with the error."""
        error = error or step.error
        if error is None:
            self._write(step, step.status)
            return
        code = error.code if isinstance(error, UserError) else None
        self._write(step, "FAILED", code, str(error) or type(error).__name__)

    @signals.held()
    def end_all(self, error: BaseException) -> None:
        """Write FAILED for all steps of this run that are still RUNNING, such as dbt's own."""
        message = str(error) or type(error).__name__
        self.warehouse.end_running_steps(self.run_id, utc_now(), message)

    def finding(self, study: str | None, batch_id: str | None, error: UserError) -> None:
        """Write what an error says about the data; skip an error of the environment."""
        if not any(error.code in family for family in _ABOUT_DATA):
            return
        details = {
            "study_accession": study,
            "error_code": error.code,
            "file": error.file,
            "line": error.line,
            "finding": error.found,
            "expected": error.expected,
            "action": error.action,
        }
        self.warehouse.record_finding(
            Finding(self.run_id, batch_id, error.name, error.severity, json.dumps(details))
        )

    @signals.held()
    def _write(
        self, step: Step, status: str, code: int | None = None, message: str | None = None
    ) -> None:
        self.warehouse.record_step(
            StepRecord(
                run_id=self.run_id,
                batch_id=step.batch_id,
                step=step.name,
                status=status,
                started_at=step.started_at,
                ended_at=None if status == "RUNNING" else utc_now(),
                rows_read=step.rows_read,
                rows_written=step.rows_written,
                error_code=code,
                error_message=message,
                context_json=json.dumps(step.context),
            )
        )


@contextlib.contextmanager
def recorded_step(step: Step, open_warehouse: OpenWarehouse, reporter: Reporter) -> Iterator[None]:
    """As ProcessLog.step, with the warehouse open at the beginning and the end only: the block
    needs it for itself. A block that raises leaves no step of the run RUNNING."""

    @contextlib.contextmanager
    def log() -> Iterator[ProcessLog]:
        with open_warehouse(reporter.waiting) as warehouse:
            yield ProcessLog(warehouse, reporter.run_id)

    with log() as opened:
        opened.begin(step)
    try:
        yield
    except BaseException as error:
        with contextlib.suppress(UserError), log() as opened:
            opened.end(step, error)
            opened.end_all(error)
        raise
    with log() as opened:
        opened.end(step)


def command_context(config_text: str, **arguments: Any) -> dict[str, Any]:
    """What a command's row says about its input.

    config_text  the text of pipeline.yaml; empty without one
    """
    return {
        **arguments,
        "config_snapshot": {
            "sha256": hashlib.sha256(config_text.encode()).hexdigest(),
            "yaml": config_text,
        },
        "versions": {
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in _PACKAGES},
        },
    }
