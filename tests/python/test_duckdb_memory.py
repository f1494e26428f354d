"""How much memory the DuckDB file may take: loads little, queries what their joins need."""

import pytest

from expression_warehouse.core.warehouse.duckdb import DuckDBWarehouse
from expression_warehouse.core.warehouse.duckdb_target import DuckDBTarget

LIMIT = "select current_setting('memory_limit') as memory_limit"


def _limit(warehouse: DuckDBWarehouse) -> str:
    (row,) = warehouse.read(LIMIT).to_pylist()
    return row["memory_limit"]


def _open(path, **settings) -> DuckDBWarehouse:
    return DuckDBWarehouse(DuckDBTarget(str(path), settings))


def test_queries_before_a_load_are_not_limited(tmp_path):
    with _open(tmp_path / "w.duckdb") as warehouse:
        without = _limit(warehouse)
        with warehouse.load_study():
            assert _limit(warehouse) == "183.1 MiB" != without


def test_queries_after_a_computed_load_are_not_limited(tmp_path):
    with _open(tmp_path / "w.duckdb") as warehouse:
        without = _limit(warehouse)
        with warehouse.load_staging():
            assert _limit(warehouse) == "183.1 MiB"
        assert _limit(warehouse) == without


@pytest.mark.parametrize("limit", ["64.0 MiB", "1.0 GiB"])
def test_the_profile_limits_all(tmp_path, limit):
    with _open(tmp_path / "w.duckdb", memory_limit=limit) as warehouse:
        assert _limit(warehouse) == limit
        with warehouse.load_study():
            assert _limit(warehouse) == limit
        assert _limit(warehouse) == limit
