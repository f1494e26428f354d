"""dbt, called from within this process."""

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner, dbtRunnerResult

from expression_warehouse.core import signals
from expression_warehouse.core.project import project_dir, work_dir
from expression_warehouse.core.warehouse import dbt_turn
from expression_warehouse.core.warehouse.profile import profiles_dir


def invoke_dbt(
    command: Sequence[str], target: str | None, listener: Callable[[Any], None] | None = None
) -> dbtRunnerResult:
    """Run a dbt command of the project; it prints nothing and leaves no connection open.

    target    of the profile; without one, the profile's default
    listener  takes dbt's events

    Raises Stopped if a signal came.
    """
    arguments = ["--log-level", "none", *command]
    arguments += ["--target", target] if target else []
    try:
        # dbt takes a relative path of the warehouse from the current folder.
        with contextlib.chdir(work_dir()), environment(**dbt_folders()), signals.raising():
            result = dbtRunner(callbacks=[listener] if listener else []).invoke(arguments)
    finally:
        close_connections()
    # dbt returns what was raised within it, as an exception of the result.
    signals.check()
    return result


def dbt_folders() -> dict[str, str]:
    """The environment variables that tell dbt its folders."""
    artifacts = {"DBT_TARGET_PATH": work_dir() / "target", "DBT_LOG_PATH": work_dir() / "logs"}
    return {
        "DBT_PROJECT_DIR": str(project_dir()),
        "DBT_PROFILES_DIR": str(profiles_dir().absolute()),
        **{name: os.environ.get(name) or str(path) for name, path in artifacts.items()},
    }


def close_connections() -> None:
    """dbt-duckdb holds the file, locking out other processes, until the process exits."""
    environment = DuckDBConnectionManager._ENV
    if environment is not None:
        environment.close()
        DuckDBConnectionManager.close_all_connections()
    dbt_turn.release()


@contextlib.contextmanager
def environment(**variables: str) -> Iterator[None]:
    """Set environment variables for the length of a block."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
