"""The benchmarks of `python -m bench` run. What they measure is asserted nowhere."""

import subprocess
import sys

import pytest
from conftest import PROJECT, TARGET, WarehouseUnderTest

from bench.pairs import MODELS, OF_SLICES

pytestmark = pytest.mark.skipif(TARGET != "duckdb", reason="measures DuckDB")


@pytest.mark.long
@pytest.mark.parametrize("name", ["ingest", "pairs", "rank", "screen", "api", "scale"])
def test_a_benchmark_runs(name):
    subprocess.run([sys.executable, "-m", "bench", name, "--quick"], cwd=PROJECT, check=True)


def test_pair_metrics_are_measured_with_all_that_they_are_made_of(tmp_path):
    """The models that `bench pairs` times, and those that it builds before."""
    warehouse = WarehouseUnderTest(tmp_path)

    def models(*selection: str) -> set[str]:
        listed = warehouse.dbt("--quiet", "ls", "--resource-type", "model", *selection)
        return set(listed.split())

    needed = models("--select", "+fact_gene_pair_metrics")
    timed = models("--select", MODELS)
    assert needed == timed | models("--select", "+fact_gene_pair_metrics", "--exclude", OF_SLICES)
    assert "expression_warehouse.analytics.vw_pair_review" in timed
    assert "expression_warehouse.fact.fact_gene_expression" in needed - timed
