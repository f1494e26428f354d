"""dbt-duckdb's connection to a file, after those commands that came before."""

import contextlib
from pathlib import Path
from typing import Any

from dbt.adapters.duckdb.credentials import DuckDBCredentials
from dbt.adapters.duckdb.environments.local import LocalEnvironment
from dbt.adapters.events.logging import AdapterLogger
from dbt_common.exceptions import DbtRuntimeError

from expression_warehouse.core.errors import UserError
from expression_warehouse.core.warehouse import writer_lock
from expression_warehouse.core.warehouse.duckdb import open_when_free

_log = AdapterLogger("DuckDB")
# dbt keeps the file open until its process ends.
_turn = contextlib.ExitStack()


class WaitingEnvironment(LocalEnvironment):
    """Waits for the writers' lock; a file that another program keeps open is a sentence."""

    @classmethod
    def initialize_db(cls, creds: DuckDBCredentials, plugins: dict[str, Any] | None = None) -> Any:
        """Raises DbtRuntimeError if the file cannot be opened, or is another's for too long."""
        if creds.path == ":memory:":
            return super().initialize_db(creds, plugins)
        path = Path(creds.path).absolute()
        try:
            release()
            _turn.enter_context(writer_lock.held(path, _log.info))
            return open_when_free(path, lambda: _open(creds, plugins), _log.info)
        except UserError as error:
            release()
            raise DbtRuntimeError(str(error)) from error


def _open(creds: DuckDBCredentials, plugins: dict[str, Any] | None) -> Any:
    return LocalEnvironment.initialize_db(creds, plugins)


def release() -> None:
    """dbt has closed the file."""
    _turn.close()
