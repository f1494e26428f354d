"""Log files: JSON lines of one run of a command, in one folder per day.

logs/2026-01-31/235901_ingest_8c1c….jsonl, then ….jsonl.1 if the file grows too large
"""

import contextlib
import datetime
import logging
import sys
from collections.abc import Iterator
from logging.handlers import RotatingFileHandler
from pathlib import Path

# A file's size in bytes, and how many older ones are kept beside it.
_MAX_BYTES = 10 * 1024 * 1024
_BACKUPS = 5


def log_path(folder: Path, command: str, run_id: str, now: datetime.datetime) -> Path:
    """The file of a run that begins now. Its name has the run_id, so that two processes never write
    to the same file."""
    return folder / f"{now:%Y-%m-%d}" / f"{now:%H%M%S}_{command}_{run_id}.jsonl"


@contextlib.contextmanager
def open_log_file(folder: Path, command: str, run_id: str) -> Iterator[logging.Logger | None]:
    """A logger that writes lines to the run's file unchanged; None if the file cannot be created.

    A log that cannot be written does not stop the command: it only prints a warning to standard
    error.
    """
    path = log_path(folder, command, run_id, datetime.datetime.now(datetime.UTC))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = _LogFileHandler(path)
    except OSError as error:
        _warn(path, error)
        yield None
        return
    logger = logging.Logger(run_id, logging.INFO)
    logger.addHandler(handler)
    try:
        yield logger
    finally:
        with contextlib.suppress(OSError):
            handler.close()


class _LogFileHandler(RotatingFileHandler):
    """Warns once if it cannot write; logging would print a traceback per line."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, maxBytes=_MAX_BYTES, backupCount=_BACKUPS, encoding="utf-8")
        self._path = path
        self._has_warned = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (logging's own name)
        if not self._has_warned:
            self._has_warned = True
            _warn(self._path, sys.exc_info()[1])


def _warn(path: Path, error: BaseException | None) -> None:
    reason = getattr(error, "strerror", None) or error
    print(f"no log is written to {path}: {reason}", file=sys.stderr)
