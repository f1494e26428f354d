"""Opens a warehouse so that whatever a query says, it changes nothing."""

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from expression_warehouse.core.errors import UserError
from expression_warehouse.core.view_settings import check_settings, named_refusals
from expression_warehouse.core.warehouse.base import Warehouse
from expression_warehouse.core.warehouse.profile import read_profile

# Errors of PEP 249, as all drivers have them, and one of DuckDB: the query is wrong or not allowed,
# and nothing with the warehouse.
_OF_QUERY = {"ProgrammingError", "DataError", "NotSupportedError", "PermissionException"}

# In T-SQL these can end the transaction that is rolled back, or reach beyond it.
_REFUSED = re.compile(
    r"\b(commit|rollback|begin|exec|execute|insert|update|delete|merge|truncate|create|alter|drop|grant"
    r"|revoke|deny|backup|restore|kill|shutdown|use|openrowset|opendatasource|openquery)\b",
    re.IGNORECASE,
)
# Texts, quoted names and comments, in which these words may stand.
_QUOTED = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|\[[^\]]*\]|--[^\n]*|/\*.*?\*/", re.DOTALL)


@contextlib.contextmanager
def open_read_only(target: str | None, path: Path | None = None) -> Iterator[Warehouse]:
    """A target of the dbt profile that `read` cannot change: a DuckDB file is opened for reading
    and without access to other files; on a server every transaction is rolled back.

    path  another DuckDB file than the target's

    Raises UserError 4001 if it cannot be opened, 4006 for a path with a target that is no file,
    4008 if there is no such file, 4010 if another process has it open.
    """
    credentials: Any = read_profile(target).credentials
    if credentials.type == "duckdb":
        from expression_warehouse.core.warehouse.duckdb import DuckDBWarehouse

        settings = {**credentials.settings, "enable_external_access": "false"}
        # A relative path is from the current folder, as a user of Python expects.
        file = credentials.path if path is None else str(path.absolute())
        with DuckDBWarehouse(
            replace(credentials, path=file, settings=settings), is_probe=True
        ) as warehouse:
            yield warehouse
        return
    if credentials.type != "sqlserver" or path is not None:
        raise UserError("LOAD_TARGET_UNSUPPORTED", f"the target is of the type {credentials.type}")
    from expression_warehouse.core.warehouse.sqlserver import SqlServerWarehouse

    with SqlServerWarehouse(credentials, is_probe=True) as warehouse:
        yield warehouse


@contextlib.contextmanager
def stream_query(
    warehouse: Warehouse, query: str, settings: Mapping[str, str]
) -> Iterator[pa.RecordBatchReader]:
    """The rows of a query in the engine's own SQL.

    settings  session settings of views

    Raises UserError 54030 for T-SQL that is more than a query and for a setting that no view has or
    that has no such value, 4017 for a query that is not one statement or that the engine refuses,
    and what Warehouse.stream raises.
    """
    check_settings(settings)
    if warehouse.engine == "sqlserver":
        refuse_changes(query)
    count = count_statements(warehouse.engine, query)
    if count != 1:
        raise UserError(
            "QUERY_FAILED",
            f"the query has {count or 'no'} {'statements' if count else 'statement'}",
            expected="one statement",
            action="Write one query; settings of views are options: --set q=0.1, in Python q=0.1",
        )
    # In the queries of this code, the names of schemas are in braces.
    escaped = query.replace("{", "{{").replace("}", "}}")
    try:
        with named_refusals(), warehouse.stream(escaped, settings=settings) as rows:
            yield rows
    except UserError as error:
        if _OF_QUERY & {kind.__name__ for kind in type(error.__cause__).__mro__}:
            raise UserError("QUERY_FAILED", error.found) from error
        raise


def count_statements(engine: str, query: str) -> int:
    """How many statements a text has. T-SQL statements that no semicolon separates count as one;
    so does a text that DuckDB cannot parse: the engine then says why."""
    if engine != "duckdb":
        return sum(bool(part.strip()) for part in _QUOTED.sub(_without_comment, query).split(";"))
    import duckdb

    try:
        return len(duckdb.extract_statements(query))
    except duckdb.Error:
        return 1


def _without_comment(match: re.Match[str]) -> str:
    return " " if match[0].startswith(("--", "/*")) else "x"


def refuse_changes(query: str) -> None:
    if word := _REFUSED.search(_QUOTED.sub(" ", query)):
        raise UserError(
            "CONFIG_INVALID",
            f"the query has the word {word[0]}",
            expected="a query that only reads",
            action="Quote a name that is such a word: [update]",
        )
