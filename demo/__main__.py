"""The command line: `python -m demo COMMAND`."""

from pathlib import Path

import click

from expression_warehouse.core.errors import UserError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Simulate refine.bio downloads, and look for their planted pairs in the warehouse."""


@main.command("simulate")
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option("--seed", default=1, show_default=True, type=click.IntRange(min=0))
def simulate_command(folder: Path, seed: int) -> None:
    """Write the simulated downloads, their pipeline.yaml and planted_pairs.tsv into DIR."""
    from demo.download import CONFIG_FILE, write_downloads
    from demo.genes import ANNOTATION_FOLDER

    write_downloads(folder, seed)
    click.echo(
        f"Next: python -m loader ingest {folder} --config {folder / CONFIG_FILE}"
        f" && expression-warehouse annotation update --from {folder / ANNOTATION_FOLDER}"
        " && dbt build && python -m demo report"
    )


@main.command("report")
@click.option("--target", help="Target of the dbt profile. Default: the profile's default.")
def report_command(target: str | None) -> None:
    """Print the studies, which planted pairs the meta-analysis finds, and what to do next."""
    # dbt takes a second to import; `simulate` needs none of it.
    from demo.report import print_report

    try:
        print_report(target)
    except UserError as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main(prog_name="python -m demo")
