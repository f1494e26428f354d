"""The command line: `expression-warehouse api COMMAND`."""

import click

from expression_warehouse.core.commands import (
    LOG_FORMAT,
    TARGET,
    example,
    open_configured,
    run_to_exit,
)

# Reached from this machine only: the service asks nobody who they are.
HOSTS = ("127.0.0.1", "localhost", "::1")


@click.group(epilog=example("expression-warehouse api publish", "expression-warehouse api serve"))
def api() -> None:
    """Serve the warehouse as pages and as a REST API."""


@api.command("publish", epilog=example("expression-warehouse api publish"))
@TARGET
@LOG_FORMAT
def publish_command(target: str | None, log_format: str) -> None:
    """Publish a snapshot of a DuckDB warehouse for `api serve`.

    A service that runs takes it up with its next request. Readers of a snapshot never stop a load
    or build, nor the other way round. On SQL Server the service reads the warehouse itself.
    """
    with open_configured(None, log_format, "api publish") as (_, reporter):
        from expression_warehouse.api.publish import publish_target

        run_to_exit(
            lambda: publish_target(target, reporter), reporter, "the earlier snapshot stays"
        )


@api.command("serve", epilog=example("expression-warehouse api serve --port 8000"))
@click.option("--host", type=click.Choice(HOSTS), default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True)
@TARGET
@LOG_FORMAT
def serve_command(host: str, port: int, target: str | None, log_format: str) -> None:
    """Serve pages and REST API on this machine until Ctrl-C.

    If no snapshot is published yet, one is.
    """
    with open_configured(None, log_format, "api serve") as (_, reporter):
        from expression_warehouse.api.serve import serve

        run_to_exit(lambda: serve(target, host, port, reporter), reporter, "nothing was under way")
