"""How much memory the DuckDB file may take: streams little, tables what their joins need."""

import pytest
from dbt.adapters.duckdb.credentials import DuckDBCredentials

from expression_warehouse.core.warehouse.duckdb import DuckDBWarehouse

LIMIT = "select current_setting('memory_limit') as memory_limit"


def _limits(path, **settings):
    """The limits of a table and of the stream after it."""
    credentials = DuckDBCredentials(database="w", schema="main", path=str(path), settings=settings)
    with DuckDBWarehouse(credentials) as warehouse:
        (table,) = warehouse.read(LIMIT, {}).to_pylist()
        with warehouse.stream(LIMIT, {}) as batches:
            (stream,) = batches.read_all().to_pylist()
    return table["memory_limit"], stream["memory_limit"]


def test_tables_are_not_limited_as_streams_are(tmp_path):
    table, stream = _limits(tmp_path / "w.duckdb")
    assert stream == "183.1 MiB"
    assert table != stream


@pytest.mark.parametrize("limit", ["64.0 MiB", "1.0 GiB"])
def test_the_profile_limits_both(tmp_path, limit):
    assert _limits(tmp_path / "w.duckdb", memory_limit=limit) == (limit, limit)
