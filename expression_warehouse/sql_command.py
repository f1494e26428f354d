"""The command `expression-warehouse sql`: a query, without a database shell."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from expression_warehouse.core.commands import TARGET, example

if TYPE_CHECKING:
    import pyarrow as pa


def _settings(
    _context: click.Context, _option: click.Option, texts: tuple[str, ...]
) -> dict[str, str]:
    pairs = [text.partition("=") for text in texts]
    if wrong := [name for name, sign, _ in pairs if not sign or not name.isidentifier()]:
        raise click.BadParameter(f"{wrong[0]!r} is not NAME=VALUE")
    return {name: value for name, _, value in pairs}


@click.command(
    "sql",
    epilog=example(
        'expression-warehouse sql "select * from analytics.vw_pair_metrics_ranked" --set q=0.1',
        'expression-warehouse sql "select * from dim.dim_study" --output studies.parquet',
    ),
)
@click.argument("query")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    callback=_settings,
    help="A session setting of the views, as q=0.1, disease=SEPSIS or pair_key=17.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write to this file, whose name ends in .csv or .parquet.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv"]),
    default="table",
    show_default=True,
    help="What is printed without --output.",
)
@TARGET
def sql(
    query: str, settings: dict[str, str], output: Path | None, form: str, target: str | None
) -> None:
    """Print the rows of a query, or write them to a file.

    QUERY is SQL of the target's engine. It can only read. `-` reads it from standard input.
    """
    from expression_warehouse.core.errors import UserError
    from expression_warehouse.core.reporting import open_reporter
    from expression_warehouse.core.warehouse.read_only import open_read_only, stream_query

    if output and output.suffix not in _WRITERS:
        raise click.BadParameter(f"{output} ends neither in .csv nor in .parquet")
    text = sys.stdin.read() if query == "-" else query
    with open_reporter("text") as reporter:
        try:
            with (
                open_read_only(target) as warehouse,
                stream_query(warehouse, text, settings) as rows,
            ):
                if output:
                    _write(rows, output)
                elif form == "csv":
                    _write_csv(rows, sys.stdout.buffer)
                else:
                    _print_table(rows)
        except UserError as error:
            reporter.failed(None, error)
            sys.exit(1)


def _write(rows: pa.RecordBatchReader, output: Path) -> None:
    from expression_warehouse.core.files import named_os_errors, open_atomically

    with named_os_errors(output), open_atomically(output) as file:
        _WRITERS[output.suffix](rows, file)


def _write_csv(rows: pa.RecordBatchReader, file) -> None:
    import pyarrow.csv

    with pyarrow.csv.CSVWriter(file, rows.schema) as writer:
        for batch in rows:
            writer.write_batch(batch)


def _write_parquet(rows: pa.RecordBatchReader, file) -> None:
    import pyarrow.parquet

    with pyarrow.parquet.ParquetWriter(file, rows.schema) as writer:
        for batch in rows:
            writer.write_batch(batch)


_WRITERS = {".csv": _write_csv, ".parquet": _write_parquet}


def _print_table(rows: pa.RecordBatchReader) -> None:
    """Columns as wide as their widest value: a program can read them, and no cell is cut."""
    table = rows.read_all()
    # By column: as dicts, rows would lose columns that have the same name.
    columns = [[_cell(value) for value in column.to_pylist()] for column in table.columns]
    lines = [table.column_names, *zip(*columns, strict=True)]
    widths = [max(len(line[place]) for line in lines) for place in range(table.num_columns)]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value).replace("\n", " ")
