"""Opens the target of the dbt profile."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from expression_warehouse.core.errors import UserError
from expression_warehouse.core.project import work_dir
from expression_warehouse.core.warehouse.base import Warehouse
from expression_warehouse.core.warehouse.profile import read_profile


def open_warehouse(
    target: str | None = None,
    tell_waiting: Callable[[str], None] = print,
    is_probe: bool = False,
) -> Warehouse:
    """Open a target of the dbt profile (the profile's default without a name).

    tell_waiting  takes a sentence for the user if another process holds the warehouse
    is_probe      open for reading, without waiting: a warehouse that another process holds is an
                  error

    Raises UserError 4001 if the profile or the target cannot be read or opened, 4006 for a type of
    target that the loader cannot write to, and 4010 if another process keeps it.
    """
    profile = read_profile(target)
    credentials: Any = profile.credentials
    if credentials.type == "duckdb":
        from expression_warehouse.core.warehouse.duckdb import DuckDBWarehouse

        return DuckDBWarehouse(credentials, tell_waiting, is_probe)
    if credentials.type == "sqlserver":
        from expression_warehouse.core.warehouse.sqlserver import SqlServerWarehouse

        return SqlServerWarehouse(credentials, is_probe)
    raise UserError(
        "LOAD_TARGET_UNSUPPORTED",
        f"target '{profile.target_name}' is of the type {credentials.type}",
    )


def refuse_missing_file(target: str | None) -> None:
    """Check that the file of a DuckDB target is there, which opening it would make.

    Raises UserError 4001 if the profile cannot be read, and 4008 if there is no file.
    """
    credentials: Any = read_profile(target).credentials
    if credentials.type == "duckdb":
        from expression_warehouse.core.warehouse.duckdb import file_path, require_file

        require_file(file_path(credentials))


def target_folder(target: str | None) -> Path:
    """The folder of a DuckDB file; where commands work, if the warehouse is on a server.

    Raises UserError 4001 if the profile cannot be read.
    """
    credentials: Any = read_profile(target).credentials
    if credentials.type != "duckdb":
        return work_dir()
    from expression_warehouse.core.warehouse.duckdb import file_path

    return file_path(credentials).parent


def writer_turn(
    target: str | None, tell_waiting: Callable[[str], None]
) -> contextlib.AbstractContextManager[None]:
    """A block in which no other command writes a DuckDB target; several can write to a server.

    Raises UserError 4001 if the profile cannot be read, and on entering 4010 if another command
    writes for too long.
    """
    credentials: Any = read_profile(target).credentials
    if credentials.type != "duckdb":
        return contextlib.nullcontext()
    from expression_warehouse.core.warehouse.duckdb import file_path
    from expression_warehouse.core.warehouse.writer_lock import held

    return held(file_path(credentials), tell_waiting)
