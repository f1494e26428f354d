"""All commands: those of the loader, `annotation`, `pairs`, `api`, `sql` and `dbt`."""

import click

from expression_warehouse.annotation.cli import annotation
from expression_warehouse.api.cli import api
from expression_warehouse.core.commands import EXIT_CODES, GROUP_SETTINGS, example
from expression_warehouse.dbt_cli import dbt
from expression_warehouse.pairs.cli import pairs
from expression_warehouse.sql_command import sql
from loader.cli import main as loader

_HELP = """Load refine.bio downloads into a warehouse, and find gene pairs whose co-expression
changes with illness.

The dbt profile says where the warehouse is."""

main = click.Group(
    name="expression-warehouse",
    commands={
        **loader.commands,
        "annotation": annotation,
        "pairs": pairs,
        "api": api,
        "sql": sql,
        "dbt": dbt,
    },
    help=f"{_HELP}\n\n{EXIT_CODES}",
    context_settings=GROUP_SETTINGS,
    epilog=example(
        "expression-warehouse run downloads",
        "expression-warehouse annotation update",
        "expression-warehouse pairs screen --disease SEPSIS",
    ),
)
click.version_option(package_name="expression-warehouse")(main)
