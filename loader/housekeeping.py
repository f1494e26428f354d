"""Deletes what is older than its retention: archived studies, logs, staged rows, logged steps.

Never deletes artifacts.
"""

import datetime
import os
import re
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from expression_warehouse.core import signals
from expression_warehouse.core.clock import utc_now
from expression_warehouse.core.config import PipelineConfig
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.files import os_message
from expression_warehouse.core.reporting import Reporter
from loader.source.archive import ARCHIVED

DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_DAY_S = 24 * 60 * 60

# Runs an operation of the dbt project with these arguments; returns its counts.
Operation = Callable[[str, Mapping[str, Any]], Mapping[str, int]]


@signals.held()
def housekeeping(
    config: PipelineConfig,
    run_operation: Operation,
    reporter: Reporter,
    dry_run: bool = False,
) -> bool:
    """Delete what is older than the configured retention. If something cannot be deleted, delete
    the rest all the same.

    dry_run  only say what would be deleted

    Returns whether all of it was deleted. Raises Stopped if a signal came.
    """
    keeper = _Housekeeper(config, run_operation, reporter, dry_run)
    purges = (keeper.purge_archive, keeper.purge_logs, keeper.purge_staging, keeper.purge_db_logs)
    done = [keeper.attempt(purge) for purge in purges]
    return all(done)


@dataclass
class _Housekeeper:
    config: PipelineConfig
    run_operation: Operation
    reporter: Reporter
    dry_run: bool

    def attempt(self, purge: Callable[[], bool]) -> bool:
        signals.check()
        try:
            return purge()
        except UserError as error:
            self.reporter.failed(None, error)
            return False

    def purge_archive(self) -> bool:
        days = self.config.retention.archive_days
        folder = self._folder("archive")
        if folder is None:
            return True
        oldest = time.time() - days * _DAY_S
        accessions = _folders(folder)
        old = [
            batch
            for accession in accessions
            for batch in _folders(accession)
            if ARCHIVED.fullmatch(batch.name) and batch.stat().st_mtime < oldest
        ]
        done = self._delete("archive_purged", days, old)
        if not self.dry_run:
            for accession in accessions:
                _remove_if_empty(accession)
        return done

    def purge_logs(self) -> bool:
        days = self.config.retention.logs_days
        folder = self._folder("logs")
        if folder is None:
            return True
        oldest = utc_now().date() - datetime.timedelta(days=days)
        old = [day for day in _folders(folder) if (date := _date(day.name)) and date < oldest]
        return self._delete("logs_purged", days, old)

    def purge_staging(self) -> bool:
        return self._operate("purge_staging", self.config.retention.staging_days)

    def purge_db_logs(self) -> bool:
        return self._operate("purge_db_logs", self.config.retention.db_logs_days)

    def _operate(self, operation: str, days: int) -> bool:
        counts = self.run_operation(operation, {"days": days, "dry_run": self.dry_run})
        self._tell(f"{operation.removeprefix('purge_')}_purged", days, **counts)
        return True

    def _folder(self, name: Literal["archive", "logs"]) -> Path | None:
        """The folder of the archive or the logs; None if it does not exist.

        Raises UserError 54301 if that folder is, contains or lies in the artifacts, links
        included.
        """
        folder = self.config.folder(name)
        artifacts = self.config.artifacts.resolve()
        if folder is None or not folder.is_dir():
            return None
        real = folder.resolve()
        if real.is_relative_to(artifacts) or artifacts.is_relative_to(real):
            raise UserError(
                "HOUSEKEEPING_ARTIFACTS_IN_REACH",
                f"folders.{name} leads to {real}, and folders.artifacts to {artifacts}",
                file=str(folder),
            )
        return folder

    def _delete(self, step: str, days: int, folders: Iterable[Path]) -> bool:
        count = failures = 0
        for folder in folders:
            signals.check()
            try:
                if not self.dry_run:
                    # Removes links within the folder, and does not follow them.
                    shutil.rmtree(folder)
                count += 1
            except OSError as error:
                failures += 1
                self.reporter.failed(None, _undeletable(folder, error))
        self._tell(step, days, folder_count=count)
        return failures == 0

    def _tell(self, step: str, days: int, **counts: int) -> None:
        verb = "would delete" if self.dry_run else "deleted"
        self.reporter.step(None, step, verb=verb, dry_run=self.dry_run, days=days, **counts)


def _folders(folder: Path) -> list[Path]:
    """The folders in a folder, by name; without links to folders.

    Raises UserError 54300 if it cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError as error:
        raise _undeletable(folder, error) from error
    return [folder / name for name in names]


def _remove_if_empty(folder: Path) -> None:
    """Raises UserError 54300 if it is empty and cannot be removed."""
    try:
        if not any(folder.iterdir()):
            folder.rmdir()
    except OSError as error:
        raise _undeletable(folder, error) from error


def _date(name: str) -> datetime.date | None:
    if not DAY.fullmatch(name):
        return None
    try:
        return datetime.date.fromisoformat(name)
    except ValueError:
        return None


def _undeletable(path: Path, error: OSError) -> UserError:
    file = error.filename if isinstance(error.filename, str) else str(path)
    return UserError("HOUSEKEEPING_DELETE_FAILED", os_message(error), file=file)
