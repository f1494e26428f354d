"""The benchmarks of `python -m bench` run. What they measure is asserted nowhere."""

import json
import subprocess
import sys

import pytest
from conftest import PROJECT, TARGET, WarehouseUnderTest

from bench import results
from bench.pairs import MODELS, OF_SLICES

pytestmark = pytest.mark.skipif(TARGET != "duckdb", reason="measures DuckDB")


@pytest.mark.long
@pytest.mark.parametrize("name", ["ingest", "pairs", "rank", "screen", "api", "scale"])
def test_a_benchmark_runs(name):
    subprocess.run([sys.executable, "-m", "bench", name, "--quick"], cwd=PROJECT, check=True)


def test_ratios_are_kept_and_worse_ones_are_said(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(results, "_RESULTS", tmp_path / "results")
    results.keep("ingest", {"loader / pandas": 1.0, "loader / polars": 0.8})
    assert "worse" not in capsys.readouterr().out
    results.keep("ingest", {"loader / pandas": 1.1, "loader / polars": 1.6})
    said = capsys.readouterr().out
    assert "worse: loader / polars is 1.60, was 0.80" in said
    assert "pandas" not in said
    kept = json.loads((tmp_path / "results" / "ingest.json").read_text())
    assert kept["ratios"] == {"loader / pandas": 1.1, "loader / polars": 1.6}
    assert {"measured_on", "machine", "versions"} < kept.keys()


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
