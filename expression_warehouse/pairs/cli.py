"""The command line: `expression-warehouse pairs COMMAND`.

Numeric libraries are imported by the commands that need them, so that --help is quick.
"""

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from expression_warehouse.core.commands import (
    LOG_FORMAT,
    TARGET,
    example,
    open_configured,
    opener,
    run_to_exit,
)
from expression_warehouse.core.technology import TECHNOLOGIES


@click.group(epilog=example("expression-warehouse pairs screen --disease SEPSIS"))
def pairs() -> None:
    """Compute on gene pairs what SQL cannot compute at scale."""


def _command(
    name: str, arguments: str, outcome: str, *options: Callable[..., Any]
) -> Callable[[Callable], click.Command]:
    """A command of the group with these options and the common ones.

    arguments  of the example in its help
    outcome    what is reported if it is interrupted

    The function takes what opens the warehouse, a reporter and its options. A UserError that it
    raises is reported.
    """

    def decorate(work: Callable[..., None]) -> click.Command:
        @functools.wraps(work)
        def command(target: str | None, log_format: str, **values: Any) -> None:
            from expression_warehouse.core.errors import UserError

            def attempt() -> bool:
                try:
                    work(opener(target), reporter, **values)
                except UserError as error:
                    reporter.failed(values.get("study"), error)
                    return False
                return True

            # Of pipeline.yaml in the current folder, only the folder of the logs matters here.
            with open_configured(None, log_format, name) as (_, reporter):
                run_to_exit(attempt, reporter, outcome)

        decorators: list[Callable[..., Any]] = [*options, TARGET, LOG_FORMAT]
        decorated: Callable[..., None] = command
        for decorator in reversed(decorators):
            decorated = decorator(decorated)
        epilog = example(f"expression-warehouse pairs {name} {arguments}")
        return pairs.command(name, epilog=epilog)(decorated)

    return decorate


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


@_command(
    "screen",
    "--disease SEPSIS --technology RNA-SEQ",
    "run it again to resume",
    click.option("--disease", required=True, help="Disease whose studies are screened, as SEPSIS."),
    TECHNOLOGY,
    ORGANISM,
    click.option(
        "--keep",
        type=click.IntRange(min=1),
        default=60_000,
        help="Pairs kept per test of a contrast or of the pair; of three contrasts, about five"
        " times as many in all. Default: 60000.",
    ),
    TOP_GENES,
    METHOD,
    MEMORY,
    click.option("--dask", metavar="ADDRESS", help="Scheduler of a Dask cluster to compute on."),
    click.option(
        "--work",
        type=click.Path(path_type=Path, file_okay=False),
        default="pairs_work",
        help="Folder for files that an interrupted screen is resumed from. Default: pairs_work.",
    ),
)
def screen_command(open_warehouse, reporter, disease, technology, organism, **options) -> None:
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
    screen(wanted, ScreenOptions(**options), open_warehouse, reporter)


@_command(
    "correlate",
    "--study GSE1 --cohort SEPSIS --output pairs.parquet",
    "no file was written",
    click.option("--study", required=True, metavar="ACC", help="Accession of the study."),
    click.option(
        "--cohort",
        required=True,
        metavar="LABEL",
        callback=lambda _context, _parameter, label: label.strip().upper(),
        help="Illness label of the samples, as SEPSIS.",
    ),
    click.option(
        "--fdr",
        type=click.FloatRange(min=0, max=1, min_open=True),
        default=0.05,
        help="Greatest false discovery rate. Default: 0.05.",
    ),
    click.option(
        "--output",
        required=True,
        type=click.Path(path_type=Path, dir_okay=False),
        help="Parquet file to write.",
    ),
    TOP_GENES,
    METHOD,
    MEMORY,
    VARS,
)
def correlate_command(open_warehouse, reporter, **options) -> None:
    """Find the significant Spearman correlations of one study and cohort.

    p is by the t approximation; false discovery rates (Benjamini-Hochberg) are over all pairs of
    genes.
    """
    from expression_warehouse.pairs.correlate import CorrelateOptions, correlate

    correlate(CorrelateOptions(**options), open_warehouse, reporter)


@_command(
    "calibrate",
    "--disease SEPSIS --technology MICROARRAY",
    "run it again to resume",
    click.option("--disease", required=True, help="Disease whose slices are tested, as SEPSIS."),
    TECHNOLOGY,
    ORGANISM,
    click.option(
        "--contrast", metavar="NAME", help="Only this contrast, as sc. Default: all of the disease."
    ),
    click.option(
        "--draws",
        default=1000,
        show_default=True,
        type=click.IntRange(min=2),
        help="How often the studies are shuffled.",
    ),
    SEED,
    click.option(
        "--output",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="DIR",
        help="Folder for Parquet files: the result, and p of each pair by permutation.",
    ),
    click.option(
        "--work",
        type=click.Path(path_type=Path, file_okay=False),
        default="calibration_work",
        help="Folder for files that an interrupted calibration is resumed from. Default: "
        "calibration_work.",
    ),
)
def calibrate_command(open_warehouse, reporter, disease, technology, organism, **options) -> None:
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
    calibrate(wanted, CalibrateOptions(**options), open_warehouse, reporter)


@_command(
    "rank",
    "--disease SEPSIS",
    "slices that were reported are ranked, the others are unchanged",
    click.option("--disease", help="Only slices of this disease, as SEPSIS. Default: all."),
    TECHNOLOGY,
    ORGANISM,
    SEED,
    VARS,
)
def rank_command(open_warehouse, reporter, disease, technology, organism, seed, variables) -> None:
    """Score the gene pairs of each slice by how much they differ from the others.

    `dbt build` then copies unsupervised_score and new_rank_score into fact_gene_pair_metrics. They
    are valid until the slice changes. A slice that cannot be ranked, such as one without a gene of
    seed watch_list, is skipped with its reason. Exits with 1 if no slice can be ranked.
    """
    from expression_warehouse.pairs.ranking.scores import rank_slices
    from expression_warehouse.pairs.slices import SliceFilter

    wanted = SliceFilter(disease, technology, organism)
    if not rank_slices(wanted, seed, variables, open_warehouse, reporter):
        sys.exit(1)


@_command(
    "export-features",
    "features",
    "files that were not reported are unchanged",
    click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path)),
)
def export_features_command(open_warehouse, reporter, folder) -> None:
    """Write all features into DIR, for machine learning.

    One Parquet file per kind of entity, with one row per entity and one column per feature, and
    data_dictionary.csv, which describes the columns. Equal features give equal bytes.
    """
    from expression_warehouse.pairs.feature_export import export_features

    export_features(folder, open_warehouse, reporter)
