"""The command line: `python -m loader COMMAND`."""

import functools
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from expression_warehouse.core.commands import (
    CONFIG,
    LOG_FORMAT,
    TARGET,
    open_configured,
    opener,
    run_to_exit,
)
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.reporting import Reporter, open_reporter
from expression_warehouse.core.warehouse.base import Warehouse
from loader.artifact import publish
from loader.health import print_health, read_health
from loader.housekeeping import housekeeping
from loader.ingest import ingest
from loader.pair_file.load import load_pairs
from loader.run import run


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="expression-warehouse")
def main() -> None:
    """Moves refine.bio downloads, and pair metrics from elsewhere, into the warehouse of the dbt
    profile."""


@main.command("ingest")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@CONFIG
@click.option("--study", "accessions", multiple=True, metavar="ACC", help="Load only this study.")
@TARGET
@LOG_FORMAT
def ingest_command(
    paths: tuple[Path, ...],
    config_path: Path | None,
    accessions: tuple[str, ...],
    target: str | None,
    log_format: str,
) -> None:
    """Stage the studies of refine.bio downloads.

    PATHS are downloads (the zip, or the folder it unpacks to) or folders of downloads. A study
    that is staged already is skipped. Exits with 1 where a study fails; the others are staged
    all the same.
    """
    with open_configured(config_path, log_format, "ingest") as (config, reporter):

        def load() -> bool:
            return ingest(paths, accessions, config, opener(target), reporter).is_done

        run_to_exit(load, reporter, "nothing of the studies under way was kept")


@main.command("run")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@CONFIG
@click.option("--study", "accessions", multiple=True, metavar="ACC", help="Only this study.")
@TARGET
@LOG_FORMAT
def run_command(
    paths: tuple[Path, ...],
    config_path: Path | None,
    accessions: tuple[str, ...],
    target: str | None,
    log_format: str,
) -> None:
    """Stage the studies of refine.bio downloads, then dbt build: what a scheduler calls.

    PATHS are as of `ingest`. What a lost connection, a lock or a deadlock breaks off is tried
    again, three times in all. Exits with 1 where anything failed; what did not is built all the
    same. All of it is in meta.meta_etl_process_log, under one run_id.
    """
    with open_configured(config_path, log_format, "run") as (config, reporter):

        def work() -> bool:
            return run(paths, accessions, config, target, opener(target), reporter)

        run_to_exit(work, reporter, "nothing of the studies under way was kept")


@main.command("load-pairs")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--disease", required=True, help="Disease that the metrics are about, as SEPSIS.")
@click.option(
    "--technology",
    help="RNA-SEQ, MICROARRAY or OTHER: of the rows that have none in a column technology.",
)
@CONFIG
@TARGET
@LOG_FORMAT
def load_pairs_command(
    file: Path,
    disease: str,
    technology: str | None,
    config_path: Path | None,
    target: str | None,
    log_format: str,
) -> None:
    """Stage pair metrics that were computed elsewhere.

    FILE is a CSV with a header: pair_id (two keys of dim_gene with _ between, in either order),
    optionally technology and csv_override, and columns of fact_gene_pair_metrics. `dbt build`
    then brings the rows into that table: for pairs that it computes itself only where
    csv_override is 1. A later load replaces an earlier one, pair by pair. Exits with 1, and
    stages nothing, where anything in the file is wrong.
    """
    with open_configured(config_path, log_format, "load-pairs") as (_, reporter):
        load = functools.partial(load_pairs, file, disease, technology, opener(target), reporter)
        run_to_exit(load, reporter, "nothing of the file was kept")


@main.command("housekeeping")
@CONFIG
@TARGET
@click.option("--dry-run", is_flag=True, help="Say what would be deleted, and delete nothing.")
@LOG_FORMAT
def housekeeping_command(
    config_path: Path | None, target: str | None, dry_run: bool, log_format: str
) -> None:
    """Delete what is older than `retention` in pipeline.yaml.

    Archived studies, days of logs, staged rows of batches that are in the fact, rows of the
    warehouse's logs; never artifacts. Exits with 1 where something cannot be deleted; the rest is
    deleted all the same.
    """
    with open_configured(config_path, log_format, "housekeeping") as (config, reporter):

        def purge(operation: str, arguments: Mapping[str, Any]) -> Mapping[str, int]:
            # Imports dbt, as opening a target does.
            from expression_warehouse.core.dbt_operation import run_operation

            _wait_for_warehouse(target, reporter)
            return run_operation(operation, arguments, target, reporter.run_id)

        keep = functools.partial(housekeeping, config, purge, reporter, dry_run)
        run_to_exit(keep, reporter, "nothing of the deletion under way was kept")


@main.command("publish")
@click.option("--disease", required=True, help="Disease whose pairs are published, as SEPSIS.")
@click.option("--major", "is_major", is_flag=True, help="v2.0 after v1.3, not v1.4.")
@CONFIG
@TARGET
@LOG_FORMAT
def publish_command(
    disease: str, is_major: bool, config_path: Path | None, target: str | None, log_format: str
) -> None:
    """Write a disease's significant gene pairs to a file that never changes.

    A Parquet file in the folder `artifacts` of pipeline.yaml, with its version and the hash of its
    content in its name. Where the newest version has the same pairs, nothing is written.
    """
    with open_configured(config_path, log_format, "publish") as (config, reporter):
        write = functools.partial(
            publish, disease, is_major, config.folder("artifacts"), opener(target), reporter
        )
        run_to_exit(write, reporter, "nothing of the new version was kept")


@main.command("health")
@TARGET
@click.option(
    "--format",
    "health_format",
    type=click.Choice(["auto", "json", "text"]),
    default="auto",
    help="auto: text on a terminal, JSON elsewhere.",
)
def health_command(target: str | None, health_format: str) -> None:
    """Say how the warehouse is, for probes and people.

    Exits with 0 where it is healthy, or busy with another process; with 1 where the last run
    failed, one has not ended within a day, or there is no warehouse to be read.
    """

    def open_probe() -> Warehouse:
        from expression_warehouse.core.warehouse.target import open_warehouse

        return open_warehouse(target, is_probe=True)

    as_json = health_format == "json" or (health_format == "auto" and not sys.stdout.isatty())
    with open_reporter("json" if as_json else "text") as reporter:
        try:
            health = read_health(open_probe)
        except UserError as error:
            reporter.failed(None, error)
            sys.exit(1)
    print_health(health, as_json)
    sys.exit(0 if health["status"] in ("healthy", "busy") else 1)


def _wait_for_warehouse(target: str | None, reporter: Reporter) -> None:
    """Return once no other process holds the warehouse: dbt would not wait.

    Raises UserError 4008 where there is none, and 4001 where it cannot be opened.
    """
    from expression_warehouse.core.warehouse.target import open_warehouse

    try:
        open_warehouse(target, is_probe=True).close()
    except UserError as error:
        if error.name != "LOAD_WAREHOUSE_BUSY":
            raise
        open_warehouse(target, reporter.waiting).close()
