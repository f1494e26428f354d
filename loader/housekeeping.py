"""Deletes what has been kept for long enough: archived studies, logs, staged rows, logged steps.

Artifacts are never among it.
"""

import datetime
import os
import re
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from expression_warehouse.core.config import PipelineConfig
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.reporting import Reporter
from loader.source.archive import ARCHIVED

DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_DAY_S = 24 * 60 * 60

# Runs an operation of the dbt project with these arguments; returns its counts.
Operation = Callable[[str, Mapping[str, Any]], Mapping[str, int]]


def housekeeping(
    config: PipelineConfig,
    run_operation: Operation,
    reporter: Reporter,
    dry_run: bool = False,
) -> bool:
    """Delete what is older than the configuration's retention; what cannot be deleted leaves the
    rest alone.

    dry_run  only say what would be deleted

    Returns whether all of it was deleted.
    """
    keeper = _Housekeeper(config, run_operation, reporter, dry_run)
    parts = (keeper.purge_archive, keeper.purge_logs, keeper.purge_staging, keeper.purge_db_logs)
    done = [keeper.attempt(part) for part in parts]
    return all(done)


@dataclass
class _Housekeeper:
    config: PipelineConfig
    run_operation: Operation
    reporter: Reporter
    dry_run: bool

    def attempt(self, part: Callable[[], bool]) -> bool:
        try:
            return part()
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
        today = datetime.datetime.now(datetime.UTC).date()
        oldest = today - datetime.timedelta(days=days)
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

    def _folder(self, name: str) -> Path | None:
        """The archive or the logs, where there are any.

        Raises UserError 54301 where that folder is, holds or lies in the artifacts, whatever
        links lead there.
        """
        folder = self.config.folder(name)
        artifacts = self.config.folder("artifacts").resolve()
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
            try:
                if not self.dry_run:
                    # Does not follow links in the folder: it removes the link.
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
    """The folders in a folder, by name; links to folders are none.

    Raises UserError 54300 where it cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError as error:
        raise _undeletable(folder, error) from error
    return [folder / name for name in names]


def _remove_if_empty(folder: Path) -> None:
    """Raises UserError 54300 where it is empty and cannot be removed."""
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
    place = error.filename if isinstance(error.filename, str) else str(path)
    return UserError("HOUSEKEEPING_DELETE_FAILED", str(error.strerror or error), file=place)
