"""Ingest, then build: the command for a scheduler."""

import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from expression_warehouse.core import signals
from expression_warehouse.core.config import PipelineConfig
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.listed import counted, listed
from expression_warehouse.core.process_log import (
    OpenWarehouse,
    Step,
    command_context,
    recorded_step,
)
from expression_warehouse.core.reporting import Reporter, Stopwatch
from expression_warehouse.core.snapshot import publish_again
from expression_warehouse.core.warehouse.profile import read_profile
from expression_warehouse.core.warehouse.target import writer_turn
from loader.decisions import archive_decisions
from loader.ingest import IngestResult, ingest
from loader.summary import Outcomes, quarantined
from loader.target_file import target_file

# Lines per kind of error for people; meta.vw_finding has all findings.
_SHOWN = 5


@signals.held()
def run(
    paths: Iterable[Path],
    accessions: Iterable[str],
    config: PipelineConfig,
    target: str | None,
    open_warehouse: OpenWarehouse,
    reporter: Reporter,
) -> bool:
    """Stage the studies of the paths and build what is staged; a study that fails or is quarantined
    does not stop the others.

    accessions  only these studies, in both steps; all studies if empty

    A DuckDB warehouse of which a snapshot is published gets a new one.

    Returns whether all of it is done. Raises Stopped if a signal came.
    """
    paths, accessions = list(paths), list(accessions)
    watch = Stopwatch()
    step = Step("run", command_context(config.text, paths=[str(path) for path in paths]))
    outcomes = Outcomes()
    is_built = False
    with contextlib.ExitStack() as turn:
        try:
            # No other command writes between the ingest, the build and the snapshot.
            turn.enter_context(writer_turn(target, reporter.waiting))
            with recorded_step(step, open_warehouse, reporter):
                staged = ingest(
                    paths, accessions, config, open_warehouse, reporter, is_part_of_run=True
                )
                outcomes = staged.outcomes
                signals.check()
                build_error = _build(accessions, staged, target, open_warehouse, reporter)
                is_built = build_error is None or build_error.name != "BUILD_FAILED"
                step.error = staged.error or build_error
        except UserError as error:
            reporter.failed(None, error)
            step.error = error
        if is_built:
            step.error = publish_again(target, reporter) or step.error
            step.error = _archive_decisions(config, target, reporter) or step.error
    reporter.step(
        None,
        "run_ended",
        status="FAILED" if step.error else "SUCCESS",
        seconds=watch.seconds,
        summary=outcomes.describe(is_built),
        next=f"details: select * from meta.vw_finding where run_id = '{reporter.run_id}'",
        **outcomes.fields(),
    )
    return step.error is None


def _archive_decisions(
    config: PipelineConfig, target: str | None, reporter: Reporter
) -> UserError | None:
    """Write what a rebuild of a DuckDB file needs into the archive, if there is one."""
    archive = config.folder("archive")
    if archive is None:
        return None
    try:
        if read_profile(target).credentials.type == "duckdb":
            archive_decisions(target_file(target), archive)
    except UserError as error:
        reporter.failed(None, error)
        return error
    return None


def _build(
    accessions: list[str],
    staged: IngestResult,
    target: str | None,
    open_warehouse: OpenWarehouse,
    reporter: Reporter,
) -> UserError | None:
    """Build, and report what the build found; return the first error."""
    # dbt takes a second to import.
    from loader.build import build

    # dbt refuses a selection with a study that is not staged.
    selected = [accession for accession in accessions if accession in staged.accessions]
    if accessions and not selected:
        return None
    watch = Stopwatch()

    def wait_until_free() -> None:
        open_warehouse(reporter.waiting).close()

    result = build(selected, target, wait_until_free, reporter)
    errors = _errors_found(open_warehouse, reporter)
    for finding in errors[:_SHOWN]:
        reporter.warned("found", **finding)
    for rule in _warnings_found(open_warehouse, reporter):
        reporter.warned("findings", **rule)
    for node, message in list(result.failed.items())[:_SHOWN]:
        reporter.warned("node_failed", node=node, message=message)
    reporter.step(
        None,
        "built" if result.is_new else "unchanged",
        failed_count=len(result.failed),
        warned_count=len(result.warned),
        error_count=len(errors),
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
    """4009 if a batch of this run is quarantined now, by this build or by that of another run at
    the same time."""
    query = "select batch_id, study_accession_code, quarantine_reason from {meta}.vw_quarantine"
    held = {
        row["study_accession_code"]: row["quarantine_reason"]
        for row in _read(query, open_warehouse, reporter)
        if row["batch_id"] in staged.batch_ids
    }
    if not held:
        return None
    staged.outcomes.hold_back(held)
    study, reason = next(iter(held.items()))
    return quarantined(
        f"{counted(len(held), 'batch')} in quarantine, first {study}: {reason}", reason
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


def _warnings_found(open_warehouse: OpenWarehouse, reporter: Reporter) -> list[dict[str, Any]]:
    """One row per rule that warns: its code, how many findings, and in which studies."""
    # The log has at most 100 findings of a batch and rule; each of them knows how many there are.
    query = """
        select validation_code, study_accession_code, max(finding_count) as finding_count
        from {meta}.vw_finding
        where run_id = $run_id and severity = 'WARNING' and finding_count is not null
        group by validation_code, study_accession_code
        order by validation_code, study_accession_code
    """
    rules: dict[str, list[dict[str, Any]]] = {}
    for row in _read(query, open_warehouse, reporter, run_id=reporter.run_id):
        rules.setdefault(row["validation_code"], []).append(row)
    return [
        {
            "validation_code": code,
            "finding_count": sum(row["finding_count"] for row in rows),
            "studies": listed([row["study_accession_code"] or "the warehouse" for row in rows]),
        }
        for code, rows in rules.items()
    ]


def _read(
    query: str, open_warehouse: OpenWarehouse, reporter: Reporter, **parameters: str
) -> list[dict[str, Any]]:
    """The rows of a view; none if the build failed before it made the view."""
    with open_warehouse(reporter.waiting) as warehouse:
        return warehouse.read_rows_if_built(query, parameters)
