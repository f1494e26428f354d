"""Puts a backup in the place of the warehouse."""

import re
from pathlib import Path

from expression_warehouse.core import signals
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.files import (
    named_os_errors,
    remove_unfinished,
    unfinished_folder,
)
from expression_warehouse.core.reporting import Reporter, Stopwatch
from expression_warehouse.core.review_journal import journal_beside
from expression_warehouse.core.warehouse.duckdb_file import (
    copy_file,
    put_in_place,
    require_sound,
    sole_access,
    wal_of,
)
from loader.backup import Backup, read_backup
from loader.target_file import target_file


@signals.held()
def restore(folder: Path, target: str | None, reporter: Reporter) -> bool:
    """Restore a backup: copied into a new file, verified, then renamed over the warehouse in one
    step. The file that was there stays beside it (`keep_beside`).

    Returns whether it is done. Raises Stopped if a signal came.
    """
    watch = Stopwatch()
    try:
        warehouse = target_file(target)
        backup = read_backup(folder)
        with sole_access(warehouse, reporter.waiting):
            kept = _restore(backup, warehouse)
    except UserError as error:
        reporter.failed(None, error)
        return False
    reporter.step(
        None,
        "restored",
        backup=str(folder),
        file=str(warehouse),
        kept=str(kept or "none"),
        row_count=sum(backup.manifest.tables.values()),
        seconds=watch.seconds,
    )
    return True


def _restore(backup: Backup, warehouse: Path) -> Path | None:
    """Returns where the earlier file is now; None if there was none."""
    backup.require_unchanged()
    remove_unfinished(warehouse.parent)
    with unfinished_folder(warehouse.parent) as unfinished:
        new = unfinished / warehouse.name
        if copy_file(backup.file, new) != backup.manifest.sha256:
            raise UserError("BACKUP_FAILED", "the file changed while it was read", file=str(new))
        if require_sound(new) != backup.manifest.tables:
            raise UserError(
                "BACKUP_INVALID", "its tables have other numbers of rows", file=str(backup.file)
            )
        _restore_reviews(backup, warehouse)
        kept = keep_beside(warehouse)
        put_in_place(new, warehouse)
    return kept


def _restore_reviews(backup: Backup, warehouse: Path) -> None:
    """The journal of reviews is only appended to: one that is there has those of the backup."""
    journal = journal_beside(warehouse)
    saved = backup.folder / journal_beside(backup.file).name
    if saved.exists() and not journal.exists():
        copy_file(saved, journal)


def keep_beside(warehouse: Path) -> Path | None:
    """Give the warehouse, and the log of one that could not be opened, a second name; names that
    earlier calls gave stay. Returns that name, or None if there is no warehouse."""
    if not warehouse.exists():
        return None
    with named_os_errors(warehouse):
        kept = _kept_name(warehouse)
    for old, name in ((warehouse, kept), (wal_of(warehouse), wal_of(kept))):
        with named_os_errors(name):
            # A call that died before it replaced the warehouse gave this file the name already.
            name.unlink(missing_ok=True)
            if old.exists():
                name.hardlink_to(old)
    return kept


def _kept_name(warehouse: Path) -> Path:
    """NAME.before_restore, NAME.before_restore.2, …: the one that the warehouse has already, or the
    next one after the highest number."""
    first = f"{warehouse.name}.before_restore"
    pattern = re.compile(rf"{re.escape(first)}(?:\.([0-9]+))?(\.wal)?")
    highest = 0
    for path in warehouse.parent.iterdir():
        if match := pattern.fullmatch(path.name):
            if not match[2] and path.samefile(warehouse):
                return path
            highest = max(highest, int(match[1] or 1))
    return warehouse.with_name(f"{first}.{highest + 1}" if highest else first)
