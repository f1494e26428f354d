"""From downloads to staged batches: one study in one transaction, several studies at a time."""

from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from expression_warehouse.core import signals
from expression_warehouse.core.config import PipelineConfig
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.process_log import OpenWarehouse, ProcessLog, Step, command_context
from expression_warehouse.core.reporting import Reporter
from expression_warehouse.core.review_journal import take_reviews
from expression_warehouse.core.warehouse.base import Warehouse
from loader.discovery import Failure, Sources, discover, unknown_studies
from loader.study_loader import StudyLoader
from loader.summary import Outcomes


@dataclass(frozen=True)
class IngestResult:
    """What became of an ingest.

    outcomes   of its studies
    batch_ids  batches that are staged now, or were before
    error      the first one; without it, everything that was asked for is staged
    """

    outcomes: Outcomes
    batch_ids: list[str]
    error: UserError | None

    @property
    def accessions(self) -> list[str]:
        """Studies that are staged now, or were before."""
        return self.outcomes.staged + self.outcomes.unchanged

    @property
    def is_done(self) -> bool:
        """Whether everything that was asked for is staged now, or was before."""
        return self.error is None


@signals.held()
def ingest(
    paths: Iterable[Path],
    accessions: Iterable[str],
    config: PipelineConfig,
    open_warehouse: OpenWarehouse,
    reporter: Reporter,
    is_part_of_run: bool = False,
    reload: bool = False,
) -> IngestResult:
    """Load all studies of the paths; a study that fails does not stop the others.

    is_part_of_run  the warehouse is opened, to log what failed, even if no study was found, and
                    the run writes the closing summary
    reload          stage studies again that are staged already

    Raises Stopped, after all running loads are undone, if a signal came.
    """
    paths, accessions = list(paths), list(accessions)
    sources, failures, passed_over = discover(paths, accessions, config)
    for study, error in failures:
        reporter.failed(study, error)
    for warning in passed_over:
        reporter.warned("passed_over", error=str(warning))
    outcomes = Outcomes(
        failed={study: error.name for study, error in failures if study},
        downloads=[error.name for study, error in failures if not study],
        passed_over=len(passed_over),
    )
    result = IngestResult(outcomes, [], failures[0][1] if failures else None)
    if sources or is_part_of_run:
        context = command_context(config.text, paths=[str(path) for path in paths])
        try:
            with open_warehouse(reporter.waiting) as warehouse:
                log = ProcessLog(warehouse, reporter.run_id)
                with log.step("ingest", context) as step:
                    _log_failures(failures, log)
                    for warning in passed_over:
                        log.finding(None, None, warning)
                    _put_diseases(config, warehouse, reporter)
                    _take_reviews(warehouse, reporter)
                    if not accessions:
                        found = [*sources, *outcomes.failed]
                        _warn_of_unknown_studies(config, found, warehouse, reporter)
                    load = StudyLoader(warehouse, config, reporter, log, outcomes, reload)
                    _load_all(sources, load)
                    step.error = result.error or (load.errors[0] if load.errors else None)
            result = IngestResult(outcomes, load.batch_ids, step.error)
        except UserError as error:
            reporter.failed(None, error)
            return IngestResult(Outcomes(), [], error)
    if not is_part_of_run:
        _sum_up(result, reporter)
    return result


def _sum_up(result: IngestResult, reporter: Reporter) -> None:
    outcomes = result.outcomes
    reporter.step(
        None,
        "ingest_ended",
        status="SUCCESS" if result.is_done else "FAILED",
        summary=outcomes.describe(is_built=False),
        next="next: dbt build" if result.accessions else "correct the errors above and run again",
        **outcomes.fields(),
    )


def _log_failures(failures: Iterable[Failure], log: ProcessLog) -> None:
    for study, error in failures:
        log.finding(study, None, error)
        log.end(Step("find_study", {"study_accession": study}), error)


def _put_diseases(config: PipelineConfig, warehouse: Warehouse, reporter: Reporter) -> None:
    """Stage the configured diseases; without a key `diseases`, those of earlier runs stay."""
    definitions = config.disease_definitions
    if definitions is not None and warehouse.replace_diseases(definitions):
        reporter.step(None, "diseases_staged", diseases=", ".join(definitions) or "none")


def _take_reviews(warehouse: Warehouse, reporter: Reporter) -> None:
    """Write the reviews that came through the API to their audit table."""
    if count := take_reviews(warehouse):
        reporter.step(None, "reviews_taken", review_count=count)


def _warn_of_unknown_studies(
    config: PipelineConfig,
    found: Collection[str],
    warehouse: Warehouse,
    reporter: Reporter,
) -> None:
    """Warn about configured accessions that match no study.

    found  the studies of the downloads
    """
    query = "select distinct study_accession_code from {staging}.batch"
    registered = warehouse.read(query)["study_accession_code"].to_pylist()
    if unknown := unknown_studies(config, {*found, *registered}):
        reporter.warned("studies_unknown", file=config.label, studies=", ".join(unknown))


def _load_all(sources: Sources, load: StudyLoader) -> None:
    """Load studies side by side; several downloads of one study, one after the other."""
    with ThreadPoolExecutor(load.config.defaults.parallelism) as pool:
        # A signal makes the threads stop by themselves, each at its next check.
        for _ in pool.map(load, sources.values()):
            pass
    signals.check()
