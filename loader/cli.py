"""The commands of the loader, for `python -m loader` and `expression-warehouse`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from expression_warehouse.core.commands import (
    CONFIG,
    EXIT_CODES,
    GROUP_SETTINGS,
    LOG_FORMAT,
    TARGET,
    example,
    open_configured,
    opener,
    reported,
    run_to_exit,
)

if TYPE_CHECKING:
    from expression_warehouse.core.reporting import Reporter
    from expression_warehouse.core.warehouse.base import Warehouse

_HELP = """Move studies, and pair metrics from elsewhere, into the warehouse of the dbt
profile."""


@click.group(
    help=f"{_HELP}\n\n{EXIT_CODES}",
    context_settings=GROUP_SETTINGS,
    epilog=example("python -m loader run downloads"),
)
@click.version_option(package_name="expression-warehouse")
def main() -> None: ...


@main.command(
    "ingest",
    epilog=example(
        "expression-warehouse ingest downloads",
        "expression-warehouse ingest GSE154918.zip --config pipeline.yaml",
    ),
)
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@CONFIG
@click.option("--study", "accessions", multiple=True, metavar="ACC", help="Load only this study.")
@click.option(
    "--reload",
    is_flag=True,
    help="Load studies that are in the warehouse already too: the next build resolves their gene "
    "ids anew, by the gene annotation that is loaded now.",
)
@TARGET
@LOG_FORMAT
@reported("ingest", "the studies under way were undone")
def ingest_command(config, reporter, paths, accessions, reload, target):
    """Stage studies: refine.bio downloads, or matrices of your own.

    PATHS are downloads (the zip, or the folder it unpacks to), other formats that docs/formats.md
    shows (a folder, a zip or a file), or folders that hold them at any depth. A study
    that is staged already is skipped. If a study fails, the others are staged all the same, and
    the exit code is 1.
    """
    from loader.ingest import ingest

    opened = opener(target)
    return lambda: ingest(paths, accessions, config, opened, reporter, reload=reload).is_done


@main.command(
    "inspect",
    epilog=example(
        "expression-warehouse inspect downloads",
        "expression-warehouse inspect GSE154918.zip --log-format json",
    ),
)
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@CONFIG
@click.option("--study", "accessions", multiple=True, metavar="ACC", help="Only this study.")
@LOG_FORMAT
def inspect_command(
    paths: tuple[Path, ...], config_path: Path | None, accessions: tuple[str, ...], log_format: str
) -> None:
    """Show what `ingest` would load, without a warehouse.

    PATHS are as in `ingest`. For each study: how its matrix is laid out, the form of its gene ids,
    its unit and why, samples per cohort, which samples match the metadata, and what would be warned
    of or refused. The exit code is 1 if an ingest would refuse a study.
    """
    with open_configured(config_path, log_format, "inspect") as (config, _):
        from expression_warehouse.core.reporting import prints_json
        from loader.inspect import inspect_paths, print_inspected

        as_json = prints_json(log_format)
        is_good = print_inspected(inspect_paths(paths, accessions, config), as_json)
    sys.exit(0 if is_good else 1)


@main.command(
    "labels",
    epilog=example(
        "expression-warehouse labels GSE154918",
        "expression-warehouse labels GSE154918 --write overrides.yaml",
    ),
)
@click.argument("accession")
@CONFIG
@TARGET
@click.option(
    "--write",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write them as illness_overrides to this new file.",
)
@LOG_FORMAT
def labels_command(
    accession: str,
    config_path: Path | None,
    target: str | None,
    file: Path | None,
    log_format: str,
) -> None:
    """Show the illness label of each sample of a staged study, and the rule that gives it.

    The rules are those of the seeds illness_rule and illness_denial and of pipeline.yaml, or of the
    warehouse if pipeline.yaml defines no diseases. A file written with --write has a line per
    sample with its title, to be corrected and moved into pipeline.yaml. If other studies have the
    sample too, the warehouse has one label for all (finding 3006).
    """
    with open_configured(config_path, log_format, "labels") as (config, reporter):
        from expression_warehouse.core.errors import UserError
        from expression_warehouse.core.reporting import prints_json
        from loader.labels import (
            DISEASE_OF_STUDIES_WITHOUT_ONE,
            print_labels,
            staged_labels,
            write_overrides,
        )

        as_json = prints_json(log_format)
        try:
            with opener(target)(reporter.waiting) as warehouse:
                labels = staged_labels(warehouse, accession, config)
            print_labels(labels.samples, as_json)
            if not labels.disease:
                click.echo(
                    f"{accession} has no disease (pipeline.yaml): labelled by the phrases of "
                    f"{DISEASE_OF_STUDIES_WITHOUT_ONE}, as by a build",
                    err=True,
                )
            if file:
                write_overrides(accession, labels.samples, file)
        except UserError as error:
            reporter.failed(accession, error)
            sys.exit(1)


@main.command(
    "run",
    epilog=example(
        "expression-warehouse run downloads",
        "expression-warehouse run downloads --study GSE154918",
    ),
)
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@CONFIG
@click.option("--study", "accessions", multiple=True, metavar="ACC", help="Only this study.")
@TARGET
@LOG_FORMAT
@reported("run", "the studies and tables under way were undone")
def run_command(config, reporter, paths, accessions, target):
    """Stage studies, then dbt build: the command for a scheduler.

    PATHS are as in `ingest`. Lost connections, locks and deadlocks are retried, three attempts in
    all. If anything fails, the rest is built all the same, and the exit code is 1.
    meta.meta_etl_process_log has all steps under one run_id.
    """
    from loader.run import run

    return lambda: run(paths, accessions, config, target, opener(target), reporter)


@main.command(
    "load-pairs",
    epilog=example(
        "expression-warehouse load-pairs metrics.csv --disease SEPSIS --technology RNA-SEQ",
        "expression-warehouse load-pairs mouse.csv --disease SEPSIS --technology RNA-SEQ"
        " --organism MUS_MUSCULUS",
    ),
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--disease", required=True, help="Disease of the metrics, for example SEPSIS.")
@click.option(
    "--technology",
    help="RNA-SEQ, MICROARRAY or OTHER, for rows without a value in a column technology.",
)
@click.option(
    "--organism",
    metavar="NAME",
    help="As MUS_MUSCULUS, for rows without a value in a column organism. Default: the organism of "
    "the disease's studies of that technology, HOMO_SAPIENS if there are none.",
)
@TARGET
@LOG_FORMAT
@reported("load-pairs", "no row of the file was staged")
def load_pairs_command(_config, reporter, file, disease, technology, organism, target):
    """Stage pair metrics that were computed elsewhere.

    FILE is a CSV, with commas, tabs or semicolons, and a header: gene_a and gene_b (symbols or ids,
    as in dim.gene_identifier) or pair_id (two keys of dim_gene with _ between), in either order;
    optionally technology, organism and csv_override; and columns of fact_gene_pair_metrics. Pairs
    without a value are left out and counted. `dbt build` then brings the rows into that table; a
    pair that it computes itself is replaced only if csv_override is 1. A later load replaces an
    earlier one, pair by pair. If anything in the file is wrong, no row is staged, and the exit code
    is 1.
    """
    from loader.pair_file.load import load_pairs

    opened = opener(target, is_new=False)
    return lambda: load_pairs(file, disease, technology, organism, opened, reporter)


@main.command("housekeeping", epilog=example("expression-warehouse housekeeping --dry-run"))
@CONFIG
@TARGET
@click.option("--dry-run", is_flag=True, help="Only say what would be deleted.")
@LOG_FORMAT
@reported("housekeeping", "what had been deleted by then stays deleted")
def housekeeping_command(config, reporter, target, dry_run):
    """Delete what is older than `retention` in pipeline.yaml.

    These are archived studies, days of logs, staged rows of batches that are in the fact, and rows
    of the warehouse's logs; never artifacts. If something cannot be deleted, the rest is deleted
    all the same, and the exit code is 1.
    """
    from loader.housekeeping import housekeeping

    def purge(operation: str, arguments: Mapping[str, Any]) -> Mapping[str, int]:
        # Imports dbt, as opening a target does.
        from expression_warehouse.core.dbt_operation import run_operation
        from expression_warehouse.core.warehouse.target import writer_turn

        with writer_turn(target, reporter.waiting):
            _wait_for_warehouse(target, reporter)
            return run_operation(operation, arguments, target, reporter.run_id)

    return lambda: housekeeping(config, purge, reporter, dry_run)


@main.command(
    "publish",
    epilog=example(
        "expression-warehouse publish --disease SEPSIS",
        "expression-warehouse publish --disease SEPSIS --major",
    ),
)
@click.option("--disease", required=True, help="Disease of the pairs, for example SEPSIS.")
@click.option("--major", "is_major", is_flag=True, help="After v1.3 comes v2.0 instead of v1.4.")
@click.option(
    "--force",
    "is_forced",
    is_flag=True,
    help="Publish even if the last build failed or a batch is quarantined; the file says so.",
)
@CONFIG
@TARGET
@LOG_FORMAT
@reported("publish", "no version was published")
def publish_command(config, reporter, target, **options):
    """Write a disease's significant gene pairs to a file that never changes.

    A warehouse whose last build failed, or that has a quarantined batch, is refused.

    The file is Parquet, in the folder `artifacts` of pipeline.yaml, with its version and the hash
    of its content in its name. If the newest version has the same pairs, no file is written.
    """
    from loader.publish import PublishOptions, publish

    chosen = PublishOptions(**options)
    return lambda: publish(chosen, config.artifacts, opener(target, is_new=False), reporter)


@main.command(
    "health",
    epilog=example("expression-warehouse health", "expression-warehouse health --deep"),
)
@click.option("--deep", "is_deep", is_flag=True, help="Read every block of every table.")
@click.option(
    "--textfile",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Also write the state to this file, for the textfile collector of Prometheus.",
)
@TARGET
@LOG_FORMAT
def health_command(
    is_deep: bool, textfile: Path | None, target: str | None, log_format: str
) -> None:
    """Show the state of the warehouse, for probes and people.

    Exits with 0 if the warehouse is healthy, or busy with another process; with 1 if the last run
    or the last build failed, a run has not ended within a day, a table is damaged, or there is no
    warehouse to read.
    """
    from expression_warehouse.core.errors import UserError
    from expression_warehouse.core.reporting import open_reporter, prints_json
    from expression_warehouse.core.warehouse.target import open_warehouse, target_folder
    from loader.health import print_health, read_health

    def open_probe() -> Warehouse:
        return open_warehouse(target, is_probe=True)

    as_json = prints_json(log_format)
    with open_reporter("json" if as_json else "text") as reporter:
        try:
            health = read_health(open_probe, target_folder(target), is_deep)
            if textfile:
                from loader.health_metrics import write_textfile

                write_textfile(health, textfile)
        except UserError as error:
            reporter.failed(None, error)
            sys.exit(1)
    print_health(health, as_json)
    sys.exit(0 if health["status"] in ("healthy", "busy") else 1)


@main.command(
    "backup",
    epilog=example(
        "expression-warehouse backup --keep 7", "expression-warehouse backup /mnt/backups"
    ),
)
@click.argument("dest", required=False, type=click.Path(path_type=Path))
@click.option(
    "--keep", type=click.IntRange(min=1), metavar="N", help="Delete all but the newest N backups."
)
@CONFIG
@TARGET
@LOG_FORMAT
@reported("backup", "no backup was made")
def backup_command(config, reporter, dest, keep, target):
    """Back the warehouse up.

    DEST is a folder for backups; by default NAME.backups beside the file of the warehouse. Each
    backup is a folder with a copy of the file and manifest.json, and is verified before it gets its
    name: a damaged warehouse is refused. Others can read meanwhile. On SQL Server the server writes
    and verifies the backup, and DEST is its file. If pipeline.yaml has an archive, what `rebuild`
    needs beside the archived studies is written there too.
    """
    from loader.backup import backup

    return lambda: backup(dest, keep, target, config.folder("archive"), reporter)


@main.command(
    "verify",
    epilog=example(
        "expression-warehouse verify",
        "expression-warehouse verify warehouse.backups/20260301T102030.123456Z",
    ),
)
@click.argument("file", required=False, type=click.Path(path_type=Path))
@CONFIG
@TARGET
@LOG_FORMAT
def verify_command(
    file: Path | None, config_path: Path | None, target: str | None, log_format: str
) -> None:
    """Check that a warehouse or a backup is whole.

    FILE is the folder of a backup, or a DuckDB file; by default the warehouse of the target. Every
    block is read; the hashes of batches are compared with the archive, keys with their tables, and
    numbers of rows with the register. The exit code is 1 if a check fails.
    """
    with open_configured(config_path, log_format, "verify") as (config, reporter):
        from expression_warehouse.core.errors import UserError
        from expression_warehouse.core.reporting import prints_json
        from loader.verify import print_checks, verify

        def check() -> bool:
            try:
                checks = verify(file, target, config.folder("archive"))
                return print_checks(checks, prints_json(log_format))
            except UserError as error:
                reporter.failed(None, error)
                return False

        run_to_exit(check, reporter, "the checks that ended are printed")


@main.command(
    "restore",
    epilog=example("expression-warehouse restore warehouse.backups/20260301T102030.123456Z"),
)
@click.argument("backup", type=click.Path(path_type=Path))
@TARGET
@LOG_FORMAT
@reported("restore", "the warehouse is as it was")
def restore_command(_config, reporter, backup, target):
    """Put a backup in the place of the warehouse.

    BACKUP is the folder of a backup. It is copied and verified first; then the copy gets the name
    of the warehouse in one step. The file that was there is kept as NAME.before_restore, or
    NAME.before_restore.2 and so on after earlier restores; the command prints the name. It waits
    for other commands of this project; while another program has the warehouse open, it refuses.
    """
    from loader.restore import restore

    return lambda: restore(backup, target, reporter)


@main.command("compact", epilog=example("expression-warehouse compact"))
@TARGET
@LOG_FORMAT
@reported("compact", "the warehouse is as it was")
def compact_command(_config, reporter, target):
    """Make the file of the warehouse as small as its content.

    A DuckDB file keeps the space of deleted rows. All tables and views are copied into a new file,
    every row is compared, and the new file gets the name of the warehouse in one step. That needs
    free space for a second file.
    """
    from loader.compact import compact

    return lambda: compact(target, reporter)


@main.command("rebuild", epilog=example("expression-warehouse rebuild --config pipeline.yaml"))
@CONFIG
@TARGET
@LOG_FORMAT
@reported("rebuild", "the warehouse is as it was")
def rebuild_command(config, reporter, target):
    """Make the warehouse anew from the archive of pipeline.yaml.

    The archive has each staged study, and decisions.duckdb: the keys of the dimensions and what
    people decided, as of the last `run` or `backup`. Everything else is computed again, into a new
    file that gets the name of the warehouse in one step. The file that was there is kept as
    NAME.before_restore, or NAME.before_restore.2 and so on; the command prints the name.
    """
    from loader.rebuild import rebuild

    return lambda: rebuild(config, target, reporter)


def _wait_for_warehouse(target: str | None, reporter: Reporter) -> None:
    """Return once no other process has the warehouse open.

    Raises UserError 4008 if there is no warehouse, and 4001 if it cannot be opened.
    """
    from expression_warehouse.core.errors import UserError
    from expression_warehouse.core.warehouse.target import open_warehouse

    try:
        open_warehouse(target, is_probe=True).close()
    except UserError as error:
        if error.name != "LOAD_WAREHOUSE_BUSY":
            raise
        open_warehouse(target, reporter.waiting).close()
