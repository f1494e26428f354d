"""dbt-duckdb's connection to a file, after those commands that came before."""

import atexit
import contextlib
import os
from pathlib import Path
from typing import Any

import duckdb
from dbt.adapters.duckdb.credentials import DuckDBCredentials
from dbt.adapters.duckdb.environments.local import LocalEnvironment
from dbt.adapters.events.logging import AdapterLogger
from dbt_common.exceptions import DbtRuntimeError
from dbt_common.invocation import get_invocation_id

from expression_warehouse.core.clock import utc_now
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.files import remove_temporary
from expression_warehouse.core.project import work_dir
from expression_warehouse.core.warehouse import run_locks, writer_lock
from expression_warehouse.core.warehouse.base import PROCESS_DIED, ending_running_steps
from expression_warehouse.core.warehouse.duckdb import open_when_free
from expression_warehouse.core.warehouse.macros import project_macros

_log = AdapterLogger("DuckDB")
# dbt keeps the file open until its process ends.
_turn = contextlib.ExitStack()


class WaitingEnvironment(LocalEnvironment):
    """Waits for the writers' lock; if another program keeps the file open, the error says so in a
    sentence. Marks the unfinished log steps of earlier commands that died as ended."""

    @classmethod
    def initialize_db(cls, creds: DuckDBCredentials, plugins: dict[str, Any] | None = None) -> Any:
        """Open the file once it is this command's turn.

        Raises DbtRuntimeError if the file cannot be opened, another process keeps it open for too
        long, or the file is not the one of the other commands (4013).
        """
        if creds.path == ":memory:":
            return super().initialize_db(creds, plugins)
        path = Path(creds.path).absolute()
        try:
            _require_warehouse_of_project(Path(creds.path))
            release()
            _turn.enter_context(writer_lock.held(path, _log.info))
            connection = open_when_free(path, lambda: _open(creds, plugins), _log.info)
        except UserError as error:
            release()
            raise DbtRuntimeError(str(error)) from error
        _mark_alive(path, connection)
        return connection


def _require_warehouse_of_project(path: Path) -> None:
    """Raise UserError 4013 if a relative path, which other commands take from the project's folder,
    would be a new, empty file in the folder where dbt runs."""
    if path.is_absolute() or Path.cwd() == work_dir() or Path("dbt_project.yml").is_file():
        return
    raise UserError(
        "LOAD_WAREHOUSE_ELSEWHERE",
        f"the path of the warehouse, {path}, is relative, and dbt runs outside the project: it"
        f" would make a new, empty file in {Path.cwd()}",
    )


def _open(creds: DuckDBCredentials, plugins: dict[str, Any] | None) -> Any:
    return LocalEnvironment.initialize_db(creds, plugins)


def _mark_alive(path: Path, connection: duckdb.DuckDBPyConnection) -> None:
    """As ProcessLog.begin does, unless the command that called dbt has."""
    run_id = os.environ.get("EXPRESSION_RUN_ID") or get_invocation_id()
    if not run_locks.hold(path, run_id):
        return
    _turn.callback(run_locks.release, path, run_id)
    ending = ending_running_steps(project_macros("duckdb").schema_name("meta"))
    for dead in run_locks.find_dead(path):
        # A new file has no log, and a target that is only read has none to write.
        with contextlib.suppress(duckdb.Error):
            connection.execute(ending, [utc_now(), PROCESS_DIED, dead])
        remove_temporary(dead)


@atexit.register
def release() -> None:
    """dbt has closed the file."""
    _turn.close()
