"""Ingest, then build: what a scheduler calls."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from loader.config import PipelineConfig
from loader.errors import LoaderError
from loader.ingest import IngestResult, ingest
from loader.process_log import ProcessLog, Step, command_context
from loader.report import Reporter, Stopwatch
from loader.warehouse.base import Warehouse

OpenWarehouse = Callable[[Callable[[str], None]], Warehouse]

# What people read; the log has them all.
_SHOWN = 20


def run(
    paths: Iterable[Path],
    accessions: Iterable[str],
    config: PipelineConfig,
    target: str | None,
    open_warehouse: OpenWarehouse,
    reporter: Reporter,
) -> bool:
    """Stage the studies of the paths, and build what is staged; a study that fails or is
    quarantined leaves the others alone.

    accessions  only these studies, in both steps; all where there are none

    Returns whether all of it is done. Raises KeyboardInterrupt where the user breaks it off.
    """
    paths, accessions = list(paths), list(accessions)
    watch = Stopwatch()
    step = Step("run", command_context(config.text, paths=[str(path) for path in paths]))
    try:
        with _recorded(step, open_warehouse, reporter):
            staged = ingest(paths, accessions, config, open_warehouse, reporter)
            is_built = _build(accessions, staged, target, open_warehouse, reporter)
            step.status = "SUCCESS" if staged.is_done and is_built else "FAILED"
    except LoaderError as error:
        reporter.failed(None, error)
        step.status = "FAILED"
    reporter.step(None, "run_ended", status=step.status, run=reporter.run_id, seconds=watch.seconds)
    return step.status == "SUCCESS"


def _build(
    accessions: list[str],
    staged: IngestResult,
    target: str | None,
    open_warehouse: OpenWarehouse,
    reporter: Reporter,
) -> bool:
    # dbt takes a second to import.
    from loader.build import build

    # dbt refuses a study that nothing is staged of, and with it the others.
    selected = [accession for accession in accessions if accession in staged.accessions]
    if accessions and not selected:
        return True
    watch = Stopwatch()

    def wait_until_free() -> None:
        open_warehouse(reporter.waiting).close()

    result = build(selected, target, wait_until_free, reporter)
    with open_warehouse(reporter.waiting) as warehouse:
        findings = warehouse.findings(reporter.run_id)
    for finding in findings[:_SHOWN]:
        reporter.warned("found", **finding)
    for node, message in list(result.failed.items())[:_SHOWN]:
        reporter.warned("node_failed", node=node, message=message)
    reporter.step(
        None,
        "built",
        failed_count=len(result.failed),
        finding_count=len(findings),
        attempts=result.attempts,
        seconds=watch.seconds,
    )
    return not result.failed


@contextlib.contextmanager
def _recorded(step: Step, open_warehouse: OpenWarehouse, reporter: Reporter) -> Iterator[None]:
    """As ProcessLog.step, with the warehouse open at the beginning and the end only: the build in
    between wants it for itself."""

    @contextlib.contextmanager
    def log() -> Iterator[ProcessLog]:
        with open_warehouse(reporter.waiting) as warehouse:
            yield ProcessLog(warehouse, reporter.run_id)

    with log() as opened:
        opened.begin(step)
    try:
        yield
    except BaseException as error:
        with contextlib.suppress(LoaderError), log() as opened:
            opened.end(step, error)
        raise
    with log() as opened:
        opened.end(step)
