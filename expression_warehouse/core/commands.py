"""Options that commands share, and how a command reports its outcome as an exit code.

Modules that define commands import no heavy library until a command runs, so that `--help` is
quick.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from expression_warehouse.core import signals

if TYPE_CHECKING:
    from expression_warehouse.core.config import PipelineConfig
    from expression_warehouse.core.errors import UserError
    from expression_warehouse.core.reporting import Reporter
    from expression_warehouse.core.warehouse.base import Warehouse

# Errors that only writes can raise.
_WRITING = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)

DEFAULT_CONFIG = Path("pipeline.yaml")

GROUP_SETTINGS = {"help_option_names": ["-h", "--help"]}
EXIT_CODES = """\b
Exit codes:
  0         done
  1         something failed; the rest is done
  2         wrong usage
  130, 143  stopped by Ctrl-C or SIGTERM; the work under way is undone
"""

TARGET = click.option("--target", help="Target of the dbt profile. Default: the profile's default.")
LOG_FORMAT = click.option(
    "--log-format",
    type=click.Choice(["auto", "json", "text"]),
    default="auto",
    help="auto: text on a terminal, JSON lines elsewhere.",
)
CONFIG = click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    help="Settings of studies and folders. Default: pipeline.yaml in the current folder, if any.",
)


def example(*lines: str) -> str:
    """The epilog of a command: examples of its use, one per line."""
    title = "Example" if len(lines) == 1 else "Examples"
    return f"\b\n{title}:\n" + "\n".join(f"  {line}" for line in lines)


@contextlib.contextmanager
def open_configured(
    config_path: Path | None, log_format: str, command: str
) -> Iterator[tuple[PipelineConfig, Reporter]]:
    """The configuration, and a reporter that also writes to the configured log folder.

    Exits with 1 if the configuration is invalid.
    """
    from expression_warehouse.core.config import load_config
    from expression_warehouse.core.errors import UserError
    from expression_warehouse.core.reporting import open_reporter
    from expression_warehouse.core.warehouse import run_locks

    try:
        if config_path is None and DEFAULT_CONFIG.is_file():
            config_path = DEFAULT_CONFIG
        config = load_config(config_path)
    except UserError as error:
        with open_reporter(log_format) as reporter:
            reporter.failed(None, error)
        sys.exit(1)
    with open_reporter(log_format, config.folder("logs"), command) as reporter:
        try:
            yield config, reporter
        finally:
            run_locks.release_all()


def run_to_exit(work: Callable[[], bool], reporter: Reporter, outcome: str) -> None:
    """Do the work; exit with 1 if it returns False or if disk or engine refuse what no part of it
    expected, and with 130 or 143 if a signal stops it.

    outcome  what a stopped command leaves behind, for the message
    """
    try:
        with signals.raising():
            is_done = work()
    except (Exception, KeyboardInterrupt) as error:
        # Work that a signal interrupts can raise other errors too.
        if not (isinstance(error, KeyboardInterrupt) or signals.is_asked_to_stop()):
            refused = _refused(error)
            if refused is None:
                raise
            reporter.failed(None, refused)
            sys.exit(1)
        reporter.stopped(signals.reason(), outcome)
        sys.exit(signals.exit_code())
    if not is_done:
        sys.exit(1)


def reported(
    name: str, outcome: str
) -> Callable[[Callable[..., Callable[[], bool | None]]], Callable[..., None]]:
    """Decorates the function of a command, below its options.

    The function gets the configuration and a reporter in place of --config and --log-format. It
    imports what it needs, and returns the work. The work returns False if something failed; a
    UserError that it raises is reported.

    name     of its log files
    outcome  what a stopped command leaves behind, for the message
    """

    def decorate(prepare: Callable[..., Callable[[], bool | None]]) -> Callable[..., None]:
        @functools.wraps(prepare)
        def command(log_format: str, config_path: Path | None = None, **options: Any) -> None:
            from expression_warehouse.core.errors import UserError

            with open_configured(config_path, log_format, name) as (config, reporter):
                work = prepare(config, reporter, **options)

                def attempt() -> bool:
                    try:
                        return work() is not False
                    except UserError as error:
                        reporter.failed(options.get("study"), error)
                        return False

                run_to_exit(attempt, reporter, outcome)

        return command

    return decorate


def _refused(error: BaseException) -> UserError | None:
    """The named error for one of the disk or of DuckDB's files; None for any other."""
    from expression_warehouse.core.errors import UserError
    from expression_warehouse.core.files import os_message

    if isinstance(error, OSError) and not isinstance(error, ConnectionError | TimeoutError):
        name = "FOLDER_NOT_WRITABLE" if error.errno in _WRITING else "EXTRACTION_FILE_UNREADABLE"
        return UserError(name, os_message(error), file=str(error.filename or "") or None)
    # Only a command that uses it has imported it.
    duckdb = sys.modules.get("duckdb")
    if duckdb and isinstance(error, duckdb.IOException | duckdb.OutOfMemoryException):
        from expression_warehouse.core.warehouse.duckdb import engine_error

        return engine_error(error, "LOAD_WRITE_FAILED")
    return None


def opener(target: str | None, is_new: bool = True) -> Callable[[Callable[[str], None]], Warehouse]:
    """Opens the target when it is called.

    is_new  whether it makes the file of a DuckDB target that is not there
    """

    def open_target(tell_waiting: Callable[[str], None]) -> Warehouse:
        # The drivers take half a second to import; a wrong path should be reported at once.
        from expression_warehouse.core.warehouse.target import open_warehouse, refuse_missing_file

        if not is_new:
            refuse_missing_file(target)
        return open_warehouse(target, tell_waiting)

    return open_target
