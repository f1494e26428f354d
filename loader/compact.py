"""Rewrites the file of a warehouse without the space that deleted rows left: DuckDB never gives it
back."""

from pathlib import Path

import duckdb

from expression_warehouse.core import signals
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.files import remove_unfinished, unfinished_folder
from expression_warehouse.core.reporting import Reporter, Stopwatch
from expression_warehouse.core.warehouse.duckdb import literal, writing
from expression_warehouse.core.warehouse.duckdb_file import (
    database_of,
    put_in_place,
    require_sound,
    run,
    table_digests,
)
from loader.target_file import target_file


@signals.held()
def compact(target: str | None, reporter: Reporter) -> bool:
    """Copy all tables and views into a new file, compare every row, and rename it over the
    warehouse in one step.

    Returns whether it is done. Raises Stopped if a signal came.
    """
    watch = Stopwatch()
    try:
        warehouse = target_file(target)
        if not warehouse.exists():
            raise UserError("LOAD_WAREHOUSE_NOT_BUILT", "there is no file", file=str(warehouse))
        before = warehouse.stat().st_size
        remove_unfinished(warehouse.parent)
        with writing(str(warehouse), reporter.waiting) as connection:
            _compact(connection, warehouse)
    except UserError as error:
        reporter.failed(None, error)
        return False
    reporter.step(
        None,
        "compacted",
        file=str(warehouse),
        megabytes_before=round(before / 1e6, 1),
        megabytes=round(warehouse.stat().st_size / 1e6, 1),
        seconds=watch.seconds,
    )
    return True


def _compact(connection: duckdb.DuckDBPyConnection, warehouse: Path) -> None:
    old = database_of(connection)
    run(connection, warehouse, "checkpoint")
    with unfinished_folder(warehouse.parent) as unfinished:
        new = unfinished / warehouse.name
        run(connection, new, f"attach {literal(new)} as compacted")
        run(connection, warehouse, f'copy from database "{old}" to compacted')
        expected = table_digests(connection, warehouse, old)
        if table_digests(connection, new, "compacted") != expected:
            raise UserError("BACKUP_FAILED", "the new file has other rows", file=str(new))
        run(connection, new, "checkpoint compacted")
        run(connection, new, "detach compacted")
        require_sound(new)
        signals.check()
        # The connection still keeps others out.
        put_in_place(new, warehouse)
