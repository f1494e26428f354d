"""The command line: `expression-warehouse pairs COMMAND`."""

from pathlib import Path

import click

from expression_warehouse.core.commands import (
    CONFIG,
    LOG_FORMAT,
    TARGET,
    example,
    open_configured,
    opener,
    run_to_exit,
)
from expression_warehouse.pairs.groups import COHORTS
from expression_warehouse.pairs.settings import METHODS


@click.group(epilog=example("expression-warehouse pairs screen --disease SEPSIS"))
def pairs() -> None:
    """Compute on all gene pairs what SQL cannot compute at scale."""


METHOD = click.option(
    "--method",
    type=click.Choice(METHODS),
    default="variance",
    help="How --top-genes measures how much a gene varies. Default: variance.",
)
TOP_GENES = click.option(
    "--top-genes",
    type=click.IntRange(min=2),
    help="Only the genes that vary most, and those of the watch list. Default: all genes.",
)
MEMORY = click.option(
    "--memory",
    default="2GB",
    metavar="SIZE",
    help="Memory that may be used, as 500MB or 4GB. Default: 2GB.",
)


@pairs.command(
    "screen",
    epilog=example("expression-warehouse pairs screen --disease SEPSIS --technology RNA-SEQ"),
)
@click.option("--disease", required=True, help="Disease whose studies are screened, as SEPSIS.")
@click.option("--technology", help="RNA-SEQ, MICROARRAY or OTHER. Default: each that there is.")
@click.option(
    "--keep",
    type=click.IntRange(min=1),
    default=100_000,
    help="Pairs kept by each of the six tests. Default: 100000.",
)
@METHOD
@TOP_GENES
@MEMORY
@click.option("--dask", metavar="ADDRESS", help="Scheduler of a Dask cluster to compute on.")
@click.option(
    "--work",
    type=click.Path(path_type=Path, file_okay=False),
    default="pairs_work",
    help="Folder for ranks, statistics (48 bytes a pair) and what a broken-off screen goes on "
    "from. Default: pairs_work.",
)
@CONFIG
@TARGET
@LOG_FORMAT
def screen_command(
    disease: str,
    technology: str | None,
    keep: int,
    method: str,
    top_genes: int | None,
    memory: str,
    dask: str | None,
    work: Path,
    config_path: Path | None,
    target: str | None,
    log_format: str,
) -> None:
    """Test every pair of genes in all studies of a disease.

    Both contrasts, pooled over the studies after DerSimonian-Laird and Hartung-Knapp, for each
    technology; false discovery rates over all pairs tested. The best pairs by each test and those
    of the watch list are staged, in place of an earlier screen's, and `dbt build` computes all
    their metrics. What is killed goes on where it was when it is run again.
    """
    with open_configured(config_path, log_format, "screen") as (_, reporter):

        def work_on() -> bool:
            # Compiling the kernels takes a second, which --help need not wait for.
            from expression_warehouse.pairs.screen.screen import Options, screen

            options = Options(keep, method, top_genes, memory, work, dask)
            return screen(disease, technology, options, opener(target), reporter)

        run_to_exit(work_on, reporter, "run it again, and it goes on from where it was")


@pairs.command(
    "correlate",
    epilog=example(
        "expression-warehouse pairs correlate --study GSE1 --cohort SEPSIS --output pairs.parquet"
    ),
)
@click.option("--study", required=True, metavar="ACC", help="Accession of the study.")
@click.option("--cohort", required=True, type=click.Choice(COHORTS), help="Samples of this label.")
@click.option(
    "--fdr",
    type=click.FloatRange(min=0, max=1, min_open=True),
    default=0.05,
    help="Greatest false discovery rate. Default: 0.05.",
)
@click.option(
    "--output",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="Parquet file to write.",
)
@METHOD
@TOP_GENES
@MEMORY
@CONFIG
@TARGET
@LOG_FORMAT
def correlate_command(
    study: str,
    cohort: str,
    fdr: float,
    output: Path,
    method: str,
    top_genes: int | None,
    memory: str,
    config_path: Path | None,
    target: str | None,
    log_format: str,
) -> None:
    """Find the significant Spearman correlations of one study and cohort.

    p by the t approximation, false discovery rates (Benjamini-Hochberg) over all pairs of genes.
    """
    with open_configured(config_path, log_format, "correlate") as (_, reporter):

        def work() -> bool:
            from expression_warehouse.pairs.correlate import Options, correlate

            options = Options(study, cohort, fdr, output, method, top_genes, memory)
            return correlate(options, opener(target), reporter)

        run_to_exit(work, reporter, "nothing of it was kept")


@pairs.command("rank", epilog=example("expression-warehouse pairs rank --disease SEPSIS"))
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
    from expression_warehouse.pairs.ranking.rank import rank

    with open_configured(config_path, log_format, "rank") as (_, reporter):

        def work() -> bool:
            return rank(disease, technology, seed, opener(target), reporter)

        run_to_exit(work, reporter, "the slice under way")


@pairs.command(
    "export-features", epilog=example("expression-warehouse pairs export-features features")
)
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
    from expression_warehouse.pairs.feature_export import export_features

    with open_configured(config_path, log_format, "export-features") as (_, reporter):

        def work() -> bool:
            return export_features(folder, opener(target), reporter)

        run_to_exit(work, reporter, "the file under way")
