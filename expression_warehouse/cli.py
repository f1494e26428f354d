"""The command line: `expression-warehouse COMMAND`, and `… pairs COMMAND`."""

import click

from expression_warehouse.pairs.cli import pairs
from loader.cli import main as loader

main = click.Group(
    name="expression-warehouse",
    commands={**loader.commands, "pairs": pairs},
    help=loader.help,
    context_settings=loader.context_settings,
)
click.version_option(package_name="expression-warehouse")(main)
