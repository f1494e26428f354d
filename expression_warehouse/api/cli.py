"""The command line: `expression-warehouse api COMMAND`."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from expression_warehouse.core.commands import (
    CONFIG,
    LOG_FORMAT,
    TARGET,
    example,
    reported,
)

if TYPE_CHECKING:
    from expression_warehouse.api.keys import KeyFile


@click.group(epilog=example("expression-warehouse api publish", "expression-warehouse api serve"))
def api() -> None:
    """Serve the warehouse as pages and as a REST API."""


@api.command("publish", epilog=example("expression-warehouse api publish"))
@click.option(
    "--force",
    "is_forced",
    is_flag=True,
    help="Publish even if the last build failed or a batch is quarantined.",
)
@TARGET
@LOG_FORMAT
@reported("api publish", "the earlier snapshot stays")
def publish_command(_config, reporter, is_forced, target):
    """Publish a snapshot of a DuckDB warehouse for `api serve`.

    A warehouse whose last build failed, or that has a quarantined batch, is refused.

    A service that runs takes it up with its next request. Readers of a snapshot never stop a load
    or build, nor the other way round. On SQL Server the service reads the warehouse itself.
    """
    from expression_warehouse.api.publish import publish_target

    return lambda: publish_target(target, reporter, is_forced)


@api.command("serve", epilog=example("expression-warehouse api serve --port 8000"))
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on. Any other than this machine's own needs an API key to read.",
)
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True)
@CONFIG
@TARGET
@LOG_FORMAT
@reported("api serve", "reviews that were confirmed are kept")
def serve_command(config, reporter, host, port, target):
    """Serve pages and REST API until Ctrl-C.

    If no snapshot is published yet, one is. Only this machine can reach it, unless --host says
    otherwise. `folders: inbox` of pipeline.yaml is what POST /etl/run loads.
    """
    from expression_warehouse.api.serve import serve

    return lambda: serve(target, host, port, config, reporter)


@api.command(
    "export", epilog=example("expression-warehouse api export --disease SEPSIS report.html")
)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--disease", required=True, help="Disease of the pairs, for example SEPSIS.")
@click.option("--contrast", default="all", show_default=True, help="A contrast of the disease.")
@click.option(
    "--q", type=click.FloatRange(0, 1), default=0.05, show_default=True, help="Greatest q."
)
@click.option(
    "--limit",
    type=click.IntRange(1, 1000),
    default=20,
    show_default=True,
    help="Pairs per technology and organism.",
)
@TARGET
@LOG_FORMAT
@reported("api export", "no report was written")
def export_command(_config, reporter, file, target, **options):
    """Write the best pairs of a disease with all their plots to one HTML file.

    FILE needs no network and no service, prints, and has the same bytes for the same data: those of
    the newest snapshot, which `api publish` and `run` make, and a dbt build alone does not.
    """
    from pydantic import ValidationError

    from expression_warehouse.api.export import export
    from expression_warehouse.api.rank_settings import RankSettings, faults

    try:
        settings = RankSettings(**options)
    except ValidationError as error:
        raise click.BadParameter(faults(error)) from error
    return lambda: export(target, settings, file, reporter)


@api.group("keys", epilog=example("expression-warehouse api keys create anna --scope review"))
def keys() -> None:
    """API keys: who may write, and read from other machines."""


@keys.command("create", epilog=example("expression-warehouse api keys create anna --scope review"))
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice(["read", "review", "run"]),
    help="read: pages and data; review: reviews of pairs; run: loads of the inbox.",
)
@TARGET
def create_command(name: str, scopes: tuple[str, ...], target: str | None) -> None:
    """Create a key for NAME and print it. It is never shown again: only its hash is kept."""
    with _key_file(target) as file:
        click.echo(file.create(name, scopes))


@keys.command("list", epilog=example("expression-warehouse api keys list"))
@TARGET
def list_command(target: str | None) -> None:
    """List all keys by id, without their secrets."""
    with _key_file(target) as file:
        for key in file.all():
            state = f"revoked {key.revoked_at[:19]}" if key.revoked_at else "valid"
            click.echo(
                f"{key.key_id}  {key.created_at[:19]}  {'+'.join(key.scopes)}  {state}  {key.name}"
            )


@keys.command("revoke", epilog=example("expression-warehouse api keys revoke 1f0c22ab"))
@click.argument("key_id")
@TARGET
def revoke_command(key_id: str, target: str | None) -> None:
    """End the key of an id, for a running service too."""
    with _key_file(target) as file:
        file.revoke(key_id)


@contextlib.contextmanager
def _key_file(target: str | None) -> Iterator[KeyFile]:
    """The key file of a target. A UserError in the block is printed and exits with 1."""
    from expression_warehouse.api.keys import KeyFile
    from expression_warehouse.api.service_files import service_files
    from expression_warehouse.core.errors import UserError
    from expression_warehouse.core.reporting import open_reporter

    try:
        yield KeyFile(service_files(target).keys)
    except UserError as error:
        with open_reporter("text") as reporter:
            reporter.failed(None, error)
        sys.exit(1)
