"""Ingest, then build: what a scheduler calls."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from expression_warehouse.core.config import PipelineConfig
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.process_log import (
    OpenWarehouse,
    Step,
    command_context,
    recorded_step,
)
from expression_warehouse.core.reporting import Reporter, Stopwatch
from loader.ingest import IngestResult, ingest

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
    is_recorded = False
    try:
        with recorded_step(step, open_warehouse, reporter):
            is_recorded = True
            staged = ingest(paths, accessions, config, open_warehouse, reporter, always_opens=True)
            build_error = _build(accessions, staged, target, open_warehouse, reporter)
            step.error = staged.error or build_error
    except UserError as error:
        reporter.failed(None, error)
        step.error = error
    if is_recorded:
        reporter.step(None, "recorded", run=reporter.run_id)
    status = "FAILED" if step.error else "SUCCESS"
    reporter.step(None, "run_ended", status=status, seconds=watch.seconds)
    return step.error is None


def _build(
    accessions: list[str],
    staged: IngestResult,
    target: str | None,
    open_warehouse: OpenWarehouse,
    reporter: Reporter,
) -> UserError | None:
    # dbt takes a second to import.
    from loader.build import build

    # dbt refuses a study that nothing is staged of, and with it the others.
    selected = [accession for accession in accessions if accession in staged.accessions]
    if accessions and not selected:
        return None
    watch = Stopwatch()

    def wait_until_free() -> None:
        open_warehouse(reporter.waiting).close()

    result = build(selected, target, wait_until_free, reporter)
    findings = _errors_found(open_warehouse, reporter)
    for finding in findings[:_SHOWN]:
        reporter.warned("found", **finding)
    for node, message in list(result.failed.items())[:_SHOWN]:
        reporter.warned("node_failed", node=node, message=message)
    for node, message in list(result.warned.items())[:_SHOWN]:
        reporter.warned("node_warned", node=node, message=message)
    reporter.step(
        None,
        "built",
        failed_count=len(result.failed),
        warned_count=len(result.warned),
        error_count=len(findings),
        attempts=result.attempts,
        seconds=watch.seconds,
    )
    if error := _held_back(staged, open_warehouse, reporter):
        reporter.failed(None, error)
        return error
    if result.failed:
        node, message = next(iter(result.failed.items()))
        return UserError("BUILD_FAILED", f"{len(result.failed)} failed, first {node}: {message}")
    return None


def _held_back(
    staged: IngestResult, open_warehouse: OpenWarehouse, reporter: Reporter
) -> UserError | None:
    """4009 where a batch of this run is quarantined now, by its own build or by that of another run
    at the same time."""
    query = "select batch_id, study_accession_code, quarantine_reason from {meta}.vw_quarantine"
    held = [
        row for row in _read(query, open_warehouse, reporter) if row["batch_id"] in staged.batch_ids
    ]
    if not held:
        return None
    first = held[0]
    return UserError(
        "LOAD_BATCH_QUARANTINED",
        f"{len(held)} batches are quarantined, first {first['study_accession_code']}: "
        f"{first['quarantine_reason']}",
    )


def _errors_found(open_warehouse: OpenWarehouse, reporter: Reporter) -> list[dict[str, Any]]:
    """The first error of each study and rule that the build found in the data."""
    query = """
        select study_accession_code, validation_code, subject, finding, finding_count
        from {meta}.vw_finding
        where run_id = $run_id and severity = 'ERROR' and finding_count is not null
        order by study_accession_code, validation_code, subject
    """
    rows = _read(query, open_warehouse, reporter, run_id=reporter.run_id)
    firsts = {(row["study_accession_code"], row["validation_code"]): row for row in reversed(rows)}
    return list(reversed(firsts.values()))


def _read(
    query: str, open_warehouse: OpenWarehouse, reporter: Reporter, **parameters: str
) -> list[dict[str, Any]]:
    """The rows of a view; none where the build broke off before it made it."""
    try:
        with open_warehouse(reporter.waiting) as warehouse:
            return warehouse.read(query, {}, parameters).to_pylist()
    except UserError as error:
        if error.name != "LOAD_WAREHOUSE_NOT_BUILT":
            raise
        return []
