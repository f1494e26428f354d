"""The docs site is complete: each column of each relation is described, and the lineage goes from the
matrix to the ranked pairs. Each statistics macro has a header with an example."""

import json
import re
import tomllib

import pytest
from conftest import PROJECT, WarehouseUnderTest
from warehouses import without_rows


@pytest.fixture(scope="module")
def built(copy_of, tmp_path_factory) -> WarehouseUnderTest:
    warehouse = copy_of(without_rows, tmp_path_factory.mktemp("docs"))
    warehouse.dbt("parse")
    return warehouse


@pytest.fixture(scope="module")
def manifest(built) -> dict:
    return json.loads((built.target / "manifest.json").read_text())


@pytest.fixture(scope="module")
def nodes(manifest) -> dict[str, dict]:
    """Models, seeds and sources of the manifest, by their unique id."""
    found = {**manifest["nodes"], **manifest["sources"]}
    kinds = ("model", "seed", "source")
    return {name: node for name, node in found.items() if node["resource_type"] in kinds}


def test_every_column_is_described(built, nodes):
    columns: dict[tuple[str, str], set[str]] = {}
    for schema, table, column in built.query(
        "select table_schema, table_name, column_name from information_schema.columns"
    ):
        # The model's description has the columns of single studies, as many as a slice has.
        if not re.fullmatch(r"(theta|w|n)_\d+", column):
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
        "vw_expression_export", "tbl_gene_pairs_materialized", "int_slice_value",
        "int_study_pair_cohort", "int_study_pair_contrast", "int_pair_contrast",
        "fact_gene_pair_contrast", "fact_gene_pair_metrics",
    } <= steps  # fmt: skip


def test_the_site_opens_with_an_overview_of_this_project(manifest, nodes):
    overview = manifest["docs"]["doc.expression_warehouse.__overview__"]["block_contents"]
    assert overview.startswith("# Expression warehouse")
    names = {node["name"] for node in nodes.values()}
    relations = re.findall(r"`((?:vw|fact|dim|meta|stg|rule|validation)_\w+)`", overview)
    assert relations
    assert set(relations) - {"rule_"} <= names


def test_programs_that_read_the_warehouse_are_exposures(manifest):
    exposures = {exposure["name"]: exposure for exposure in manifest["exposures"].values()}
    assert set(exposures) == {
        "published_pairs", "pairs_screen", "pairs_rank", "pairs_calibrate", "loader_health",
    }  # fmt: skip
    for exposure in exposures.values():
        assert exposure["description"]
        assert exposure["depends_on"]["nodes"]


def test_each_layer_has_a_tag_and_a_colour(manifest):
    layers = {}
    for node in manifest["nodes"].values():
        if node["resource_type"] == "model":
            layers.setdefault(node["fqn"][1], set()).add(
                (*node["config"]["tags"], node["config"]["docs"]["node_color"])
            )
    assert {layer for layer, looks in layers.items() for tag, _ in looks if tag == layer} == set(
        layers
    )
    assert len({colour for looks in layers.values() for _, colour in looks}) == len(layers) == 7


def test_macros_are_described_with_their_arguments(manifest):
    """The macros that models, hooks and people call: at least one per file, with the arguments of
    its definition."""
    described = {}
    for macro in manifest["macros"].values():
        if macro["package_name"] == "expression_warehouse" and macro["description"]:
            described[macro["name"]] = macro["original_file_path"]
            signature = re.search(rf"macro {macro['name']}\((.*?)\) -?%}}", macro["macro_sql"])[1]
            names = [name.split("=")[0].strip() for name in signature.split(",") if name.strip()]
            assert [argument["name"] for argument in macro["arguments"]] == names, macro["name"]
            assert all(argument["description"] for argument in macro["arguments"]), macro["name"]
    files = {str(path.relative_to(PROJECT)) for path in (PROJECT / "macros").rglob("*.sql")}
    without = {path.split("/", 2)[2] for path in files - set(described.values())}
    # Macros that dbt calls in place of its own, or that a single operation calls.
    own = {
        "comments.sql", "contract.sql", "create_table_as.sql",
        "materializations/in_batches.sql", "materializations/in_place.sql",
    }  # fmt: skip
    assert without == own | {"login_name.sql", "retention.sql"}


@pytest.mark.parametrize("path", sorted((PROJECT / "macros").rglob("*.sql")), ids=lambda p: p.stem)
def test_macros_have_a_header(path):
    assert path.read_text().startswith("{#-"), "what it returns, and an example"


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/architecture.md"])
def test_each_layer_of_imports_has_a_row(page):
    settings = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["importlinter"]
    # The first contract is of the whole; others are of the inside of a layer.
    layers = settings["contracts"][0]["layers"]
    modules = [module.strip() for layer in layers for module in layer.split("|")]
    paths = [PROJECT / module.replace(".", "/") for module in modules]
    names = [f"{path.relative_to(PROJECT)}{'/' if path.is_dir() else '.py'}" for path in paths]
    cells = re.findall(r"^\| (`.+?`) \|", (PROJECT / page).read_text(), re.MULTILINE)
    described = {name for cell in cells for name in re.findall(r"`(.+?)`", cell)}
    assert [name for name in names if name not in described] == []


def test_statistics_name_their_source():
    """Each file of macros/stats cites one, but for those whose formula is the project's own."""
    own = {"consistency", "detected_genes", "groups"}
    for path in (PROJECT / "macros" / "stats").glob("*.sql"):
        cited = re.search(r"[A-Z][a-z]+.{0,60}(18|19|20)\d\d|DLMF \d", path.read_text(), re.DOTALL)
        assert (cited is None) == (path.stem in own), path.name
