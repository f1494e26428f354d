"""The command line: `python -m loader COMMAND`."""

import sys
from collections.abc import Callable
from pathlib import Path

import click

from loader.config import load_config
from loader.errors import LoaderError
from loader.ingest import ingest
from loader.report import open_reporter

DEFAULT_CONFIG = Path("pipeline.yaml")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="expression-warehouse")
def main() -> None:
    """Moves refine.bio downloads into the warehouse of the dbt profile."""


@main.command("ingest")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    help="What you know of the studies. Default: pipeline.yaml here, where there is one.",
)
@click.option("--study", "accessions", multiple=True, metavar="ACC", help="Load only this study.")
@click.option("--target", help="Target of the dbt profile. Default: the profile's own.")
@click.option(
    "--log-format",
    type=click.Choice(["auto", "json", "text"]),
    default="auto",
    help="auto: text on a terminal, JSON lines elsewhere.",
)
def ingest_command(
    paths: tuple[Path, ...],
    config_path: Path | None,
    accessions: tuple[str, ...],
    target: str | None,
    log_format: str,
) -> None:
    """Stage the studies of refine.bio downloads.

    PATHS are downloads (the zip, or the folder it unpacks to) or folders of downloads. A study
    that is staged already is skipped. Exits with 1 where a study fails; the others are staged
    all the same.
    """
    with open_reporter(log_format) as reporter:
        try:
            if config_path is None and DEFAULT_CONFIG.is_file():
                config_path = DEFAULT_CONFIG
            config = load_config(config_path)
        except LoaderError as error:
            reporter.failed(None, error)
            sys.exit(1)

        def open_target(tell_waiting: Callable[[str], None]) -> object:
            # dbt takes a second to import; a wrong path should be told at once.
            from loader.warehouse.target import open_warehouse

            return open_warehouse(target, tell_waiting)

        try:
            done = ingest(paths, accessions, config, open_target, reporter)
        except KeyboardInterrupt:
            reporter.waiting("interrupted: nothing of the studies under way was kept")
            sys.exit(130)
        if not done:
            sys.exit(1)
