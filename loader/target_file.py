"""The file of a DuckDB target, for commands that work on files."""

from pathlib import Path
from typing import Any

from expression_warehouse.core.errors import UserError
from expression_warehouse.core.warehouse.duckdb import file_path
from expression_warehouse.core.warehouse.profile import read_profile


def target_file(target: str | None) -> Path:
    """Raises UserError 4001 if there is no such target, 4006 if it is no file."""
    credentials: Any = read_profile(target).credentials
    if credentials.type != "duckdb":
        raise UserError(
            "LOAD_TARGET_UNSUPPORTED",
            f"the target is of the type {credentials.type}, and this command works on DuckDB files",
            action="Use the server's own commands (docs/sql-server.md)",
        )
    return file_path(credentials)
