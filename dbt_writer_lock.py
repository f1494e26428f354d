"""Lets dbt wait for its turn before it opens a DuckDB file, as all commands do.

dbt imports each installed module whose name starts with `dbt_` and that has a list `plugins`.
dbt-duckdb's own plugins would do too, but a profile has to name them.
"""

import dbt.adapters.duckdb.environments.local as local
from dbt.plugins.manager import dbtPlugin

from expression_warehouse.core.warehouse.dbt_turn import WaitingEnvironment


class WriterLock(dbtPlugin):
    """Puts the class in the place of dbt-duckdb's."""

    def initialize(self) -> None:
        local.LocalEnvironment = WaitingEnvironment  # type: ignore[misc]


plugins = [WriterLock]
