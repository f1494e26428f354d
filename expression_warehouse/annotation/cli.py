"""The command line: `expression-warehouse annotation COMMAND`.

Libraries are imported by the commands that need them, so that --help is quick.
"""

from __future__ import annotations

import functools
from pathlib import Path

import click

from expression_warehouse.core.commands import (
    LOG_FORMAT,
    TARGET,
    example,
    open_configured,
    opener,
    run_to_exit,
)

FORMAT = click.option(
    "--format",
    "output_format",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="How the result is printed.",
)


@click.group(epilog=example("expression-warehouse annotation update"))
def annotation() -> None:
    """Give genes their names, identifiers and scores, from public bulk files."""


@annotation.command(
    "update",
    epilog=example(
        "expression-warehouse annotation update",
        "expression-warehouse annotation update HGNC gnomAD",
        "expression-warehouse annotation update --from downloads/annotation",
    ),
)
@click.argument("sources", nargs=-1, metavar="[SOURCE]...")
@click.option(
    "--from",
    "folder",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Take files downloaded by hand from this folder and its subfolders; download none.",
)
@click.option(
    "--offline",
    "is_offline",
    is_flag=True,
    help="Download none: take earlier downloads from the cache, if FOLDER lacks a file.",
)
@TARGET
@LOG_FORMAT
def update_command(
    sources: tuple[str, ...],
    folder: Path | None,
    is_offline: bool,
    target: str | None,
    log_format: str,
) -> None:
    """Load the newest files of gene annotation; `dbt build` then applies them.

    SOURCE is a name that `annotation sources` lists; without one, all are updated. Downloads are
    kept in a cache and resumed if they break off; a server is asked again after a week, and sends
    only what has changed. A file that is damaged, unknown or worse than the loaded one does not
    replace it. If a file fails, the others are loaded all the same, and the exit code is 1.
    """
    with open_configured(None, log_format, "annotation-update") as (_, reporter):
        from expression_warehouse.annotation.cache import Cache, default_folder
        from expression_warehouse.annotation.update import UpdateOptions, update

        options = UpdateOptions(sources, folder, is_offline)
        work = functools.partial(update, options, Cache(default_folder()), opener(target), reporter)
        run_to_exit(work, reporter, "files that were reported are loaded, the others unchanged")
