"""Backups of a warehouse.

warehouse.backups/20260301T102030.123456Z/warehouse.duckdb       a copy, of the warehouse's name
                                          manifest.json          what the copy is
                                          warehouse.reviews.jsonl  reviews, if there are any

A server makes its own backups, of which this asks for one.
"""

import contextlib
import importlib.metadata
import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import duckdb

from expression_warehouse.core import signals
from expression_warehouse.core.clock import utc_now
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.files import named_os_errors, new_folder, remove_unfinished
from expression_warehouse.core.listed import counted
from expression_warehouse.core.reporting import Reporter, Stopwatch
from expression_warehouse.core.review_journal import journal_beside
from expression_warehouse.core.warehouse.duckdb import file_path, require_file
from expression_warehouse.core.warehouse.duckdb_file import (
    copy_consistently,
    copy_file,
    file_sha256,
    require_sound,
)
from expression_warehouse.core.warehouse.profile import read_profile
from loader.decisions import archive_decisions

MANIFEST = "manifest.json"
_WHERE = (
    "Name the folder of a backup (verify also takes a DuckDB file); by default backups are in the "
    "folder NAME.backups beside the warehouse"
)


@dataclass(frozen=True)
class Manifest:
    """What a backup is.

    file     name of the copy
    bytes    its size
    sha256   of its bytes, hex
    version  of this project
    duckdb   version of the engine
    tables   schema.table → number of rows
    """

    file: str
    bytes: int
    sha256: str
    created_at: str
    version: str
    duckdb: str
    tables: dict[str, int]


@dataclass(frozen=True)
class Backup:
    """A folder with a copy and its manifest."""

    folder: Path
    manifest: Manifest

    @property
    def file(self) -> Path:
        return self.folder / self.manifest.file

    def require_unchanged(self) -> None:
        """Raises UserError 54701 if the copy's bytes are not those that were backed up."""
        if not self.file.is_file():
            raise UserError("BACKUP_INVALID", "there is no such file", file=str(self.file))
        size, sha256 = self.file.stat().st_size, file_sha256(self.file)
        if (size, sha256) != (self.manifest.bytes, self.manifest.sha256):
            raise UserError(
                "BACKUP_INVALID",
                f"it has {counted(size, 'byte')} with the SHA-256 {sha256:.12}…",
                file=str(self.file),
                expected=f"{self.manifest.bytes:,} bytes with {self.manifest.sha256:.12}…",
            )


def read_backup(path: Path) -> Backup:
    """The backup in a folder. Raises UserError 54701, which says what the path is, if it is no
    folder of a backup or its manifest cannot be read."""
    if not (path / MANIFEST).is_file():
        raise _no_backup(path)
    try:
        document = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        return Backup(path, Manifest(**document))
    except (OSError, ValueError, TypeError) as error:
        raise UserError(
            "BACKUP_INVALID", f"its manifest cannot be read: {error}", file=str(path / MANIFEST)
        ) from error


def _no_backup(path: Path) -> UserError:
    """54701 for a path that is no folder of a backup: what it is, and which path helps."""
    if not path.exists():
        found = "there is no such file or folder"
        action = _WHERE
    elif (path.parent / MANIFEST).is_file():
        found = "this is a file of a backup, and the command takes the backup's folder"
        action = f"Name {path.parent}"
    elif path.is_file():
        found = "this is a file, and the command takes the folder of a backup"
        action = (
            f"Name a folder with {MANIFEST}. To use a DuckDB file that is no backup: check it with "
            "expression-warehouse verify FILE, rename the present warehouse while no program has "
            "it open, and copy the file to the path of the warehouse"
        )
    elif inner := backups_in(path):
        found = f"this folder has backups in it ({len(inner)}), but is none itself"
        action = f"Name one of them; the newest is {inner[-1]}"
    else:
        found = f"this folder has no {MANIFEST}: it is no backup, and there is none in it"
        action = _WHERE
    expected = "a folder that expression-warehouse backup has made"
    return UserError("BACKUP_INVALID", found, file=str(path), expected=expected, action=action)


def backups_in(folder: Path) -> list[Path]:
    """The backups that lie directly in a folder, the newest last; it can hold other things too."""
    return sorted(path.parent for path in folder.glob(f"[0-9]*T[0-9]*Z/{MANIFEST}"))


def backup_folder(warehouse: Path) -> Path:
    """Where the backups of a warehouse file are unless the user names a folder: beside it."""
    return warehouse.with_name(f"{warehouse.stem}.backups")


@signals.held()
def backup(
    dest: Path | None,
    keep: int | None,
    target: str | None,
    archive: Path | None,
    reporter: Reporter,
) -> bool:
    """Back a target up and verify the backup.

    dest     a folder for backups; on a server, the file of the backup as the server names it
    keep     delete older backups in that folder, so that this many remain
    archive  receives the decisions too, if it is given

    Returns whether it is done. Raises Stopped if a signal came.
    """
    watch = Stopwatch()
    try:
        credentials: Any = read_profile(target).credentials
        if credentials.type == "sqlserver":
            _back_server_up(credentials, dest, keep, reporter, watch)
            return True
        warehouse = file_path(credentials)
        made = back_file_up(warehouse, dest or backup_folder(warehouse), reporter)
        reporter.step(
            None,
            "backed_up",
            backup=str(made.folder),
            megabytes=round(made.manifest.bytes / 1e6, 1),
            sha256=made.manifest.sha256,
            row_count=sum(made.manifest.tables.values()),
            seconds=watch.seconds,
        )
        if archive:
            archive_decisions(made.file, archive)
        if keep:
            _remove_old(made.folder.parent, keep, reporter)
    except UserError as error:
        reporter.failed(None, error)
        return False
    return True


def back_file_up(warehouse: Path, folder: Path, reporter: Reporter) -> Backup:
    """Copy a warehouse into a new folder, verified, whole or not at all.

    Raises UserError 4001 if it cannot be opened, 4008 if it does not exist, 4014 if it is damaged,
    54302 if there is no room or the folder is a file, 54700 if the copy differs.
    """
    require_file(warehouse)
    _refuse_file(folder)
    now = utc_now()
    remove_unfinished(folder)
    made = folder / f"{now:%Y%m%dT%H%M%S.%fZ}"
    with new_folder(made) as unfinished:
        copy = unfinished / warehouse.name
        copy_consistently(warehouse, copy, reporter.waiting)
        manifest = Manifest(
            file=copy.name,
            tables=require_sound(copy),
            bytes=copy.stat().st_size,
            sha256=file_sha256(copy),
            created_at=f"{now:%Y-%m-%dT%H:%M:%SZ}",
            version=importlib.metadata.version("expression-warehouse"),
            duckdb=duckdb.__version__,
        )
        journal = journal_beside(warehouse)
        if journal.exists():
            copy_file(journal, unfinished / journal.name)
        with named_os_errors(unfinished):
            (unfinished / MANIFEST).write_text(json.dumps(asdict(manifest), indent=2))
    return Backup(made, manifest)


def _refuse_file(folder: Path) -> None:
    """Raises UserError 54302 if the folder, or one that it is to be made in, is a file."""
    nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not nearest.is_dir():
        raise UserError(
            "FOLDER_NOT_WRITABLE",
            "this is a file, and backups need a folder",
            file=str(nearest),
            action="Name a folder; it is made if there is none",
        )


def _remove_old(folder: Path, keep: int, reporter: Reporter) -> None:
    """Delete all but the newest backups of a folder."""
    for old in backups_in(folder)[:-keep]:
        signals.check()
        with named_os_errors(old):
            shutil.rmtree(old)
        reporter.step(None, "backup_removed", backup=str(old))


def _back_server_up(
    credentials: Any, dest: Path | None, keep: int | None, reporter: Reporter, watch: Stopwatch
) -> None:
    from expression_warehouse.core.warehouse.sqlserver import SqlServerWarehouse

    if keep:
        raise UserError(
            "CONFIG_INVALID",
            "--keep is for DuckDB: this command cannot delete files on the server",
            action="Let the server's own maintenance plan delete old backups",
        )
    file = str(dest or f"{credentials.database}_{utc_now():%Y%m%dT%H%M%SZ}.bak")
    with contextlib.closing(SqlServerWarehouse(credentials, is_probe=True)) as warehouse:
        warehouse.backup(file)
    reporter.step(None, "backed_up_by_server", backup=file, seconds=watch.seconds)
