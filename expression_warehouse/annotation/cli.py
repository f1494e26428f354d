"""The command line: `expression-warehouse annotation COMMAND`.

Libraries are imported by the commands that need them, so that --help is quick.
"""

from __future__ import annotations

import functools
import sys
from pathlib import Path

import click

from expression_warehouse.core.commands import (
    LOG_FORMAT,
    TARGET,
    example,
    opener,
    reported,
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
@reported("annotation-update", "files that were reported are loaded, the others unchanged")
def update_command(_config, reporter, target, **options):
    """Load the newest files of gene annotation; `dbt build` then applies them.

    SOURCE is a name that `annotation sources` lists; without one, all are updated. Downloads are
    kept in a cache and resumed if they break off; a server is asked again after a week, and sends
    only what has changed. A file that is damaged, unknown or worse than the loaded one does not
    replace it. If a file fails, the others are loaded all the same, and the exit code is 1.
    """
    from expression_warehouse.annotation.cache import Cache, default_folder
    from expression_warehouse.annotation.update import UpdateOptions, update

    chosen = UpdateOptions(**options)
    return lambda: update(chosen, Cache(default_folder()), opener(target), reporter)


@annotation.command("sources", epilog=example("expression-warehouse annotation sources"))
@TARGET
@FORMAT
def sources_command(target: str | None, output_format: str) -> None:
    """List the sources: licence, citation, address, and which file is loaded."""
    from expression_warehouse.annotation.catalog import annotation_files
    from expression_warehouse.annotation.printing import print_sources
    from expression_warehouse.annotation.register import loaded_files
    from expression_warehouse.core.errors import UserError
    from expression_warehouse.core.warehouse.target import open_warehouse

    loaded, failure = {}, None
    try:
        with open_warehouse(target, is_probe=True) as warehouse:
            loaded = loaded_files(warehouse)
    except UserError as error:
        # Without a warehouse, no file is loaded.
        failure = None if error.name == "LOAD_WAREHOUSE_NOT_BUILT" else error
    print_sources(annotation_files(), loaded, output_format == "json", click.echo)
    if failure:
        click.echo(f"which files are loaded is unknown: {failure}", err=True)
        sys.exit(1)


@annotation.command(
    "cache",
    epilog=example(
        "expression-warehouse annotation cache", "expression-warehouse annotation cache --clear"
    ),
)
@click.option("--clear", "is_clearing", is_flag=True, help="Delete all downloads.")
@FORMAT
def cache_command(is_clearing: bool, output_format: str) -> None:
    """Show the downloads that are kept, and how old they are.

    Their folder is EXPRESSION_ANNOTATION_CACHE, or by default the user's cache folder.
    """
    from expression_warehouse.annotation.cache import Cache, default_folder
    from expression_warehouse.annotation.printing import print_cache
    from expression_warehouse.core.errors import UserError

    cache = Cache(default_folder())
    if not is_clearing:
        print_cache(cache, output_format == "json", click.echo)
        return
    try:
        with cache.locked(functools.partial(click.echo, err=True)):
            size = cache.clear()
    except UserError as error:
        click.echo(error, err=True)
        sys.exit(1)
    click.echo(f"deleted {size / 1e6:,.1f} MB of {cache.folder}")


@annotation.command(
    "snapshot", epilog=example("expression-warehouse annotation snapshot before.json")
)
@click.argument("file", metavar="OUT.json", type=click.Path(path_type=Path, dir_okay=False))
@TARGET
@LOG_FORMAT
@reported("annotation-snapshot", "no file was written")
def snapshot_command(_config, reporter, file, target):
    """Write the core values of all genes and sources to a file, for `annotation compare`."""
    from expression_warehouse.annotation.snapshot import snapshot

    return lambda: snapshot(file, opener(target), reporter)


@annotation.command(
    "compare", epilog=example("expression-warehouse annotation compare before.json after.json")
)
@click.argument("before", metavar="A", type=click.Path(path_type=Path))
@click.argument("after", metavar="B", type=click.Path(path_type=Path))
@FORMAT
def compare_command(before: Path, after: Path, output_format: str) -> None:
    """List the values that differ between two snapshots: missing, new and changed ones.

    Numbers are equal within the tolerance of seed annotation_attribute. Hashes of files are shown,
    but are no difference. Exits with 1 if a value differs.
    """
    from expression_warehouse.annotation.compare import compared
    from expression_warehouse.annotation.printing import print_comparison
    from expression_warehouse.core.errors import UserError

    try:
        with compared(before, after) as comparison:
            is_equal = print_comparison(comparison, output_format == "json", click.echo)
    except UserError as error:
        click.echo(error, err=True)
        sys.exit(1)
    sys.exit(0 if is_equal else 1)
