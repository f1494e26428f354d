"""What the commands of `python -m loader` and `expression-warehouse pairs` have in common."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from expression_warehouse.core.config import PipelineConfig, load_config
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.reporting import Reporter, open_reporter
from expression_warehouse.core.warehouse.base import Warehouse

DEFAULT_CONFIG = Path("pipeline.yaml")


TARGET = click.option("--target", help="Target of the dbt profile. Default: the profile's own.")
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
    help="What you know of the studies. Default: pipeline.yaml here, where there is one.",
)


@contextlib.contextmanager
def open_configured(
    config_path: Path | None, log_format: str, command: str
) -> Iterator[tuple[PipelineConfig, Reporter]]:
    """The configuration, and a reporter that also writes to its logs. Exits with 1 where the
    configuration cannot be used."""
    try:
        if config_path is None and DEFAULT_CONFIG.is_file():
            config_path = DEFAULT_CONFIG
        config = load_config(config_path)
    except UserError as error:
        with open_reporter(log_format) as reporter:
            reporter.failed(None, error)
        sys.exit(1)
    with open_reporter(log_format, config.folder("logs"), command) as reporter:
        yield config, reporter


def run_to_exit(load: Callable[[], bool], reporter: Reporter, outcome: str) -> None:
    """Exit with 1 where the load says that something failed, and with 130 where the user stops it.

    outcome  what became of the work then
    """
    try:
        done = load()
    except KeyboardInterrupt:
        reporter.waiting(f"interrupted: {outcome}")
        sys.exit(130)
    if not done:
        sys.exit(1)


def opener(target: str | None) -> Callable[[Callable[[str], None]], Warehouse]:
    """Opens the target when it is called."""

    def open_target(tell_waiting: Callable[[str], None]) -> Warehouse:
        # dbt takes a second to import; a wrong path should be told at once.
        from expression_warehouse.core.warehouse.target import open_warehouse

        return open_warehouse(target, tell_waiting)

    return open_target
