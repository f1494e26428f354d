"""The command line: `python -m pairs COMMAND`."""

from pathlib import Path

import click

from loader.command import CONFIG, LOG_FORMAT, TARGET, open_configured, opener, run_to_exit


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="expression-warehouse")
def main() -> None:
    """Computes on all gene pairs of the warehouse of the dbt profile what SQL cannot at scale."""


@main.command("rank")
@click.option("--disease", help="Only slices of this disease, as SEPSIS. Default: all.")
@click.option(
    "--technology",
    type=click.Choice(["RNA-SEQ", "MICROARRAY", "OTHER"]),
    help="Only slices of this technology. Default: all.",
)
@click.option(
    "--seed",
    default=1,
    show_default=True,
    type=click.IntRange(min=0, max=2**32 - 1),
    help="Of the random numbers; the same seed gives the same scores.",
)
@CONFIG
@TARGET
@LOG_FORMAT
def rank_command(
    disease: str | None,
    technology: str | None,
    seed: int,
    config_path: Path | None,
    target: str | None,
    log_format: str,
) -> None:
    """Score the gene pairs of each slice by how unlike the others they are.

    `dbt build` then brings unsupervised_score and new_rank_score into fact_gene_pair_metrics. They
    hold until the slice changes. Exits with 1 where a slice cannot be ranked; the others are all
    the same.
    """
    # scikit-learn takes two seconds to import.
    from pairs.rank import rank

    with open_configured(config_path, log_format, "rank") as (_, reporter):

        def work() -> bool:
            return rank(disease, technology, seed, opener(target), reporter)

        run_to_exit(work, reporter, "the slice under way")


@main.command("export-features")
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@CONFIG
@TARGET
@LOG_FORMAT
def export_features_command(
    folder: Path, config_path: Path | None, target: str | None, log_format: str
) -> None:
    """Write all features into DIR, for machine learning.

    A Parquet file for each kind of entity, a row an entity and a column a feature, and
    data_dictionary.csv, which says what each column is. Equal features are equal bytes.
    """
    from pairs.feature_export import export_features

    with open_configured(config_path, log_format, "export-features") as (_, reporter):

        def work() -> bool:
            return export_features(folder, opener(target), reporter)

        run_to_exit(work, reporter, "the file under way")
