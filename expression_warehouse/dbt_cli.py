"""The command `expression-warehouse dbt`: dbt, wherever the project is installed."""

import os
import subprocess
import sys

import click

from expression_warehouse.core.commands import example

# With these, dbt needs no profile of ours.
_WITHOUT_PROFILE = ("--help", "-h", "--version", "--profiles-dir")


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
    from expression_warehouse.core.errors import UserError
    from expression_warehouse.core.project import work_dir
    from expression_warehouse.core.warehouse.profile import require_profile

    if not any(argument.startswith(_WITHOUT_PROFILE) for argument in arguments):
        try:
            require_profile()
        except UserError as error:
            raise click.ClickException(str(error)) from error
    program = "from dbt.cli.main import cli; cli(prog_name='dbt')"
    command = [sys.executable, "-c", program, *arguments]
    # dbt takes a relative path of the warehouse from the current folder.
    done = subprocess.run(command, cwd=work_dir(), env=os.environ | dbt_folders(), check=False)
    sys.exit(done.returncode)
