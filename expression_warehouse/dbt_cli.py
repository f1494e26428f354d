"""The command `expression-warehouse dbt`: dbt, wherever the project is installed."""

import os
import subprocess
import sys

import click

from expression_warehouse.core.commands import example


@click.command(
    "dbt",
    context_settings={"ignore_unknown_options": True},
    epilog=example(
        "expression-warehouse dbt build --select study:GSE154918",
        "expression-warehouse dbt docs generate",
    ),
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def dbt(arguments: tuple[str, ...]) -> None:
    """Run dbt on the project that is installed with this package.

    ARGUMENTS are dbt's own. In a checkout, `dbt` itself does the same.
    """
    from expression_warehouse.core.dbt_command import dbt_folders

    command = [sys.executable, "-m", "dbt.cli.main", *arguments]
    sys.exit(subprocess.run(command, env=os.environ | dbt_folders(), check=False).returncode)
