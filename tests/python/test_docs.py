"""The docs site is complete: each column of each relation is described, and the lineage goes from the
matrix to the ranked pairs. Each statistics macro has a header with an example."""

import json
import re

import pytest
from conftest import PROJECT, WarehouseUnderTest


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> WarehouseUnderTest:
    """All relations, without a row."""
    warehouse = WarehouseUnderTest(tmp_path_factory.mktemp("docs"))
    warehouse.build()
    warehouse.dbt("parse")
    return warehouse


@pytest.fixture(scope="module")
def nodes(built) -> dict[str, dict]:
    """Models, seeds and sources of the manifest, by their unique id."""
    manifest = json.loads((built.target / "manifest.json").read_text())
    found = {**manifest["nodes"], **manifest["sources"]}
    kinds = ("model", "seed", "source")
    return {name: node for name, node in found.items() if node["resource_type"] in kinds}


def test_every_column_is_described(built, nodes):
    columns: dict[tuple[str, str], set[str]] = {}
    for schema, table, column in built.query(
        "select table_schema, table_name, column_name from information_schema.columns"
    ):
        columns.setdefault((schema, table), set()).add(column)
    for node in nodes.values():
        relation = (node["schema"], node.get("alias") or node["identifier"])
        described = {name for name, column in node["columns"].items() if column["description"]}
        assert described == columns.pop(relation), relation
        assert node["description"], relation
    assert columns == {}, "relations that no yml describes"


def test_models_state_their_grain(nodes):
    for node in nodes.values():
        if node["resource_type"] == "model":
            assert "**Grain:**" in node["description"], node["name"]


def test_lineage_goes_from_the_matrix_to_the_ranked_pairs(nodes):
    seen, left = set(), ["model.expression_warehouse.vw_pair_metrics_ranked"]
    while left:
        name = left.pop()
        if name not in seen:
            seen.add(name)
            left += nodes[name].get("depends_on", {}).get("nodes", [])
    steps = {name.split(".", 2)[2] for name in seen}
    assert {
        "staging.expression_rows", "staging.study_metadata", "fact_gene_expression",
        "vw_expression_export", "tbl_gene_pairs_materialized", "int_study_pair_estimate",
        "int_pair_estimate", "fact_gene_pair_metrics",
    } <= steps  # fmt: skip


@pytest.mark.parametrize("path", sorted((PROJECT / "macros").rglob("*.sql")), ids=lambda p: p.stem)
def test_macros_have_a_header(path):
    assert path.read_text().startswith("{#-"), "what it returns, and an example"


def test_statistics_name_their_source():
    """Each file of macros/stats cites one, but for those whose formula is the project's own."""
    own = {"consistency", "groups"}
    for path in (PROJECT / "macros" / "stats").glob("*.sql"):
        cited = re.search(r"[A-Z][a-z]+.{0,60}(18|19|20)\d\d|DLMF \d", path.read_text(), re.DOTALL)
        assert (cited is None) == (path.stem in own), path.name
