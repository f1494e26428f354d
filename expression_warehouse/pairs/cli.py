"""The command line: `expression-warehouse pairs COMMAND`.

Numeric libraries are imported by the commands that need them, so that --help is quick.
"""

import functools
from pathlib import Path

import click

from expression_warehouse.core.commands import (
    LOG_FORMAT,
    TARGET,
    example,
    opener,
    reported,
)
from expression_warehouse.core.technology import TECHNOLOGIES


@click.group(epilog=example("expression-warehouse pairs screen --disease SEPSIS"))
def pairs() -> None:
    """Compute on gene pairs what SQL cannot compute at scale."""


# These commands compute on what was built: the file of a mistyped path would be empty.
_opener = functools.partial(opener, is_new=False)


def _parquet(_context: click.Context, _parameter: click.Parameter, path: Path) -> Path:
    if path.suffix != ".parquet":
        raise click.BadParameter(f"{path} does not end in .parquet")
    return path


def _default_method(context: click.Context, _: click.Parameter, method: str | None) -> str:
    if method and context.params.get("top_genes") is None:
        raise click.UsageError("--method has no effect without --top-genes")
    return method or "variance"


TECHNOLOGY = click.option(
    "--technology", type=click.Choice(TECHNOLOGIES), help="Only this technology. Default: all."
)
ORGANISM = click.option(
    "--organism",
    metavar="NAME",
    callback=lambda _context, _parameter, name: name and name.upper().replace(" ", "_"),
    help="Only this organism, as MUS_MUSCULUS. Default: all.",
)
SEED = click.option(
    "--seed",
    default=1,
    show_default=True,
    type=click.IntRange(min=0, max=2**32 - 1),
    help="Of the random numbers; the same seed gives the same result.",
)
TOP_GENES = click.option(
    "--top-genes",
    type=click.IntRange(min=2),
    # --method needs its value.
    is_eager=True,
    help="Only the genes that vary most, and those of the watch list. Default: all genes.",
)
METHOD = click.option(
    "--method",
    type=click.Choice(["variance", "iqr", "mad"]),
    callback=_default_method,
    help="How --top-genes measures variability. Default: variance.",
)
MEMORY = click.option(
    "--memory",
    default="2GB",
    metavar="SIZE",
    help="Memory that may be used, as 500MB or 4GB. Default: 2GB.",
)
VARS = click.option(
    "--vars",
    "variables",
    metavar="YAML",
    help="dbt vars that override dbt_project.yml, as for dbt: '{spearman_se: fieller}'.",
)


@pairs.command(
    "screen",
    epilog=example("expression-warehouse pairs screen --disease SEPSIS --technology RNA-SEQ"),
)
@click.option("--disease", required=True, help="Disease whose studies are screened, as SEPSIS.")
@TECHNOLOGY
@ORGANISM
@click.option(
    "--keep",
    type=click.IntRange(min=1),
    default=60_000,
    help="Pairs kept per test of a contrast or of the pair; of three contrasts, about five"
    " times as many in all. Default: 60000.",
)
@TOP_GENES
@METHOD
@MEMORY
@click.option("--dask", metavar="ADDRESS", help="Scheduler of a Dask cluster to compute on.")
@click.option(
    "--work",
    type=click.Path(path_type=Path, file_okay=False),
    default="pairs_work",
    help="Folder for files that an interrupted screen is resumed from. Default: pairs_work.",
)
@TARGET
@LOG_FORMAT
@reported("screen", "run it again to resume")
def screen_command(_config, reporter, target, disease, technology, organism, **options):
    """Test every pair of genes in all studies of a disease.

    Per technology and organism, the contrasts of the disease that enough studies have are pooled
    over these (DerSimonian-Laird and Hartung-Knapp), with false discovery rates over all pairs
    tested. The best pairs of each test and those of the watch list replace those of an earlier
    screen; `dbt build` then computes all their metrics. An interrupted screen is resumed when it is
    run again.
    """
    from expression_warehouse.pairs.screen import ScreenOptions, screen
    from expression_warehouse.pairs.slices import SliceFilter

    wanted = SliceFilter(disease, technology, organism)
    return lambda: screen(wanted, ScreenOptions(**options), _opener(target), reporter)


@pairs.command(
    "correlate",
    epilog=example(
        "expression-warehouse pairs correlate --study GSE1 --cohort SEPSIS --output pairs.parquet"
    ),
)
@click.option("--study", required=True, metavar="ACC", help="Accession of the study.")
@click.option(
    "--cohort",
    required=True,
    metavar="LABEL",
    callback=lambda _context, _parameter, label: label.strip().upper(),
    help="Illness label of the samples, as SEPSIS.",
)
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
    callback=_parquet,
    help="Parquet file to write, whose name ends in .parquet.",
)
@TOP_GENES
@METHOD
@MEMORY
@VARS
@TARGET
@LOG_FORMAT
@reported("correlate", "no file was written")
def correlate_command(_config, reporter, target, **options):
    """Find the significant Spearman correlations of one study and cohort.

    p is by the t approximation; false discovery rates (Benjamini-Hochberg) are over all pairs of
    genes.
    """
    from expression_warehouse.pairs.correlate import CorrelateOptions, correlate

    return lambda: correlate(CorrelateOptions(**options), _opener(target), reporter)


@pairs.command(
    "calibrate",
    epilog=example("expression-warehouse pairs calibrate --disease SEPSIS --technology MICROARRAY"),
)
@click.option("--disease", required=True, help="Disease whose slices are tested, as SEPSIS.")
@TECHNOLOGY
@ORGANISM
@click.option(
    "--contrast", metavar="NAME", help="Only this contrast, as sc. Default: all of the disease."
)
@click.option(
    "--draws",
    default=1000,
    show_default=True,
    type=click.IntRange(min=2),
    help="How often the studies are shuffled.",
)
@SEED
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Folder for Parquet files: the result, and p of each pair by permutation.",
)
@click.option(
    "--work",
    type=click.Path(path_type=Path, file_okay=False),
    default="calibration_work",
    help="Folder for files that an interrupted calibration is resumed from. Default: "
    "calibration_work.",
)
@TARGET
@LOG_FORMAT
@reported("calibrate", "run it again to resume")
def calibrate_command(_config, reporter, target, disease, technology, organism, **options):
    """Measure how often the tests err on your own studies.

    The candidate pairs of each slice are tested again and again: with labels permuted within
    studies (LABELS), with the signs of whole studies flipped (SIGNS), with each gene permuted
    within cohorts (GENES), so that whatever is found is false; and with contrasts planted
    (PLANTED), which shows the power. meta.meta_calibration has the result. An interrupted
    calibration is resumed when it is run again.
    """
    from expression_warehouse.pairs.calibration.calibrate import CalibrateOptions, calibrate
    from expression_warehouse.pairs.slices import SliceFilter

    wanted = SliceFilter(disease, technology, organism)
    return lambda: calibrate(wanted, CalibrateOptions(**options), _opener(target), reporter)


@pairs.command("rank", epilog=example("expression-warehouse pairs rank --disease SEPSIS"))
@click.option("--disease", help="Only slices of this disease, as SEPSIS. Default: all.")
@TECHNOLOGY
@ORGANISM
@SEED
@VARS
@TARGET
@LOG_FORMAT
@reported("rank", "slices that were reported are ranked, the others are unchanged")
def rank_command(_config, reporter, target, disease, technology, organism, seed, variables):
    """Score the gene pairs of each slice by how much they differ from the others.

    `dbt build` then copies unsupervised_score and new_rank_score into fact_gene_pair_metrics. They
    are valid until the slice changes. A slice that cannot be ranked, such as one without a gene of
    seed watch_list, is skipped with its reason. Exits with 1 if no slice can be ranked.
    """
    from expression_warehouse.pairs.ranking.rank import rank_slices
    from expression_warehouse.pairs.slices import SliceFilter

    wanted = SliceFilter(disease, technology, organism)
    return lambda: rank_slices(wanted, seed, variables, _opener(target), reporter)


@pairs.command(
    "export-features", epilog=example("expression-warehouse pairs export-features features")
)
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@TARGET
@LOG_FORMAT
@reported("export-features", "files that were not reported are unchanged")
def export_features_command(_config, reporter, target, folder):
    """Write all features into DIR, for machine learning.

    One Parquet file per kind of entity, with one row per entity and one column per feature, and
    data_dictionary.csv, which describes the columns. Equal features give equal bytes.
    """
    from expression_warehouse.pairs.feature_export import export_features

    return lambda: export_features(folder, _opener(target), reporter)
