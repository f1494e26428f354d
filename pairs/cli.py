"""The command line: `python -m pairs COMMAND`."""

import click


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="expression-warehouse")
def main() -> None:
    """Computes on all gene pairs of the warehouse of the dbt profile what SQL cannot at scale."""
