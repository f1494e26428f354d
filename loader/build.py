"""`dbt build` in this process: attempts, and what became of the nodes."""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tenacity

from expression_warehouse.core import signals
from expression_warehouse.core.dbt_command import environment, invoke_dbt
from expression_warehouse.core.files import temporary_folder
from expression_warehouse.core.project import work_dir
from expression_warehouse.core.redact import Redactor, redactor
from expression_warehouse.core.reporting import Reporter
from expression_warehouse.core.transient import is_transient
from expression_warehouse.core.warehouse.profile import read_profile

ATTEMPTS = 3
_WAIT_S = tenacity.wait_random_exponential(multiplier=2, max=30)

_ERROR = ("error", "runtime error")
_FAILED = (*_ERROR, "fail")


@dataclass(frozen=True)
class BuildResult:
    """What became of a build, all attempts together.

    failed    node name → message of each node that failed; `dbt` → the message of dbt itself
    warned    test name → message of each test that warns
    attempts  how many were made
    is_new    False if nothing has changed since the last build, so that nothing was built
    """

    failed: dict[str, str]
    warned: dict[str, str]
    attempts: int
    is_new: bool


def build(
    accessions: Iterable[str],
    target: str | None,
    wait_until_free: Callable[[], None],
    reporter: Reporter,
) -> BuildResult:
    """Run `dbt build`, and up to twice `dbt retry` for nodes that a transient error of the database
    stopped.

    accessions       studies to build; all studies if empty
    wait_until_free  returns once no other process holds the warehouse

    Raises UserError 4001 if the profile cannot be read or the warehouse stays locked, and Stopped
    if a signal came.
    """
    credentials = read_profile(target).credentials
    adapter_type, redacted = credentials.type, redactor(credentials)
    select = [f"study:{accession}" for accession in accessions]
    command = ["build"]
    if select:
        command += ["--select", *select]
    retrying = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(ATTEMPTS),
        wait=_WAIT_S,
        sleep=signals.sleep,
        retry=tenacity.retry_if_result(lambda run: run.is_transient(adapter_type)),
        retry_error_callback=_last_run,
        before_sleep=lambda state: _report_retry(state, redacted, reporter),
    )
    nodes: dict[str, Any] = {}
    with _artifacts(reporter.run_id) as target_path:

        def attempt() -> _Run:
            wait_until_free()
            number = retrying.statistics["attempt_number"]
            before = dict(nodes)
            nodes.clear()
            # dbt can retry nodes only, and not the hooks that write the log. A build from the
            # start skips what is loaded already.
            can_retry = bool(before) and not any(name.startswith("operation.") for name in before)
            arguments = ["retry"] if can_retry else command
            run = _invoke(arguments, target, target_path, reporter, number)
            nodes.update({**before, **run.nodes} if can_retry else run.nodes)
            return run

        last = retrying(attempt)
    failed = {n.node.name: redacted(n.message or "") for n in nodes.values() if n.status in _FAILED}
    if last.exception:
        failed["dbt"] = redacted(str(last.exception))
    return BuildResult(
        failed,
        {n.node.name: n.message or "" for n in nodes.values() if n.status == "warn"},
        retrying.statistics["attempt_number"],
        is_new=bool(nodes or failed),
    )


@dataclass(frozen=True)
class _Run:
    """One invocation of dbt; nodes by their unique id."""

    nodes: dict[str, Any]
    exception: BaseException | None

    @property
    def errors(self) -> list[str]:
        """Messages of dbt and of nodes that raised; a test that fails does not raise."""
        of_dbt = [str(self.exception)] if self.exception else []
        return of_dbt + [n.message or "" for n in self.nodes.values() if n.status in _ERROR]

    def is_transient(self, adapter_type: str) -> bool:
        """Whether there are errors, and all of them are transient."""
        return bool(self.errors) and all(is_transient(adapter_type, e) for e in self.errors)


def _invoke(
    command: list[str], target: str | None, target_path: Path, reporter: Reporter, attempt: int
) -> _Run:
    with environment(EXPRESSION_RUN_ID=reporter.run_id, EXPRESSION_RUN_ATTEMPT=str(attempt)):
        result = invoke_dbt([*command, "--target-path", str(target_path)], target)
    nodes = {n.node.unique_id: n for n in getattr(result.result, "results", [])}
    return _Run(nodes, result.exception)


def _last_run(state: tenacity.RetryCallState) -> _Run:
    assert state.outcome
    return state.outcome.result()


def _report_retry(state: tenacity.RetryCallState, redacted: Redactor, reporter: Reporter) -> None:
    reporter.warned(
        "retrying",
        attempt=state.attempt_number,
        seconds=round(state.upcoming_sleep, 1),
        reason=redacted(_last_run(state).errors[0]),
    )


@contextlib.contextmanager
def _artifacts(run_id: str) -> Iterator[Path]:
    """A target folder for this run alone: `dbt retry` must not pick up another run's results."""
    shared = work_dir() / os.environ.get("DBT_TARGET_PATH", "target")
    with temporary_folder(run_id) as folder:
        # Saves dbt a full parse.
        parsed = shared / "partial_parse.msgpack"
        with contextlib.suppress(OSError):
            shutil.copy(parsed, folder)
        yield folder
