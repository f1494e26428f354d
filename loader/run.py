"""Ingest, then build: what a scheduler calls."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from loader.config import PipelineConfig
from loader.errors import LoaderError
from loader.ingest import IngestResult, ingest
from loader.process_log import OpenWarehouse, Step, command_context, recorded_step
from loader.report import Reporter, Stopwatch

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
        with recorded_step(step, open_warehouse, reporter):
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
    findings = _errors_found(open_warehouse, reporter)
    for finding in findings[:_SHOWN]:
        reporter.warned("found", **finding)
    for node, message in list(result.failed.items())[:_SHOWN]:
        reporter.warned("node_failed", node=node, message=message)
    reporter.step(
        None,
        "built",
        failed_count=len(result.failed),
        warned_count=len(result.warned),
        finding_count=len(findings),
        attempts=result.attempts,
        seconds=watch.seconds,
    )
    return not result.failed


def _errors_found(open_warehouse: OpenWarehouse, reporter: Reporter) -> list[dict[str, Any]]:
    """The first error of each study and rule that the build found in the data."""
    query = f"""
        select study_accession_code, validation_code, subject, finding, finding_count
        from {{meta}}.vw_finding
        where run_id = '{reporter.run_id}' and severity = 'ERROR' and finding_count is not null
        order by study_accession_code, validation_code, subject
    """
    try:
        with open_warehouse(reporter.waiting) as warehouse:
            rows = warehouse.read(query, {}).to_pylist()
    except LoaderError as error:
        # A build that broke off before it made the view has found nothing.
        if error.name != "LOAD_WAREHOUSE_NOT_BUILT":
            raise
        return []
    firsts = {(row["study_accession_code"], row["validation_code"]): row for row in reversed(rows)}
    return list(reversed(firsts.values()))
