"""Every number that the API gives of the demo is the warehouse's, in each format."""

import io
import os
from collections.abc import Iterator
from unittest import mock

import duckdb
import numpy as np
import openpyxl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from conftest import WarehouseUnderTest
from fastapi.testclient import TestClient
from test_api import derSimonian_laird
from warehouses import built_demo

from expression_warehouse.api.app import create_app
from expression_warehouse.api.service_files import service_files
from expression_warehouse.api.store import open_store
from expression_warehouse.core.snapshot import publish

pytestmark = pytest.mark.skipif(
    os.environ.get("EXPRESSION_TEST_TARGET") == "sqlserver",
    reason="compares a snapshot with the file that it was copied from",
)

PAIRS = 500


@pytest.fixture(scope="module")
def demo(copy_of, tmp_path_factory) -> WarehouseUnderTest:
    warehouse = copy_of(built_demo, tmp_path_factory.mktemp("demo"))
    publish(warehouse.path, print)
    return warehouse


@pytest.fixture(scope="module")
def client(demo) -> Iterator[TestClient]:
    with mock.patch.dict(os.environ, demo.env, clear=True):
        yield TestClient(
            create_app(open_store(None), service_files(None)), base_url="http://127.0.0.1:8000"
        )


@pytest.fixture(scope="module")
def pair_keys(demo) -> list[int]:
    """500 of the pairs, drawn once and for all."""
    keys = [row["pair_key"] for row in rows(demo, "from dim.dim_gene_pair order by pair_key")]
    drawn = np.random.default_rng(20).choice(keys, PAIRS, replace=False)
    return [int(key) for key in drawn]


def rows(warehouse: WarehouseUnderTest, query: str) -> list[dict]:
    with duckdb.connect(str(warehouse.path), read_only=True) as connection:
        return connection.sql(query).to_arrow_table().to_pylist()


def assert_same(found: dict, expected: dict) -> None:
    """Numbers differ by 1e-12 at most, relative to numbers above 1; all else is equal."""
    for name, value in expected.items():
        if name == "etl_created_date":
            continue
        if isinstance(value, float):
            assert found[name] == pytest.approx(value, rel=1e-12, abs=1e-12), name
        else:
            assert found[name] == value, name


def test_a_pair_is_its_rows_of_the_facts(demo, client, pair_keys):
    facts = {
        name: rows(demo, f"from fact.fact_gene_pair_{name} order by all")
        for name in ("contrast", "cohort")
    }
    for pair_key in pair_keys:
        found = client.get(f"/api/v1/pairs/{pair_key}").json()
        for name, key in (("contrast", "contrast_key"), ("cohort", "illness_key")):
            expected = [row for row in facts[name] if row["pair_key"] == pair_key]
            assert len(found[f"{name}s"]) == len(expected)
            by_key = {(row["technology"], row[key]): row for row in found[f"{name}s"]}
            for row in expected:
                assert_same(by_key[row["technology"], row[key]], row)


def test_studies_of_a_pair_pool_to_its_contrasts(demo, client, pair_keys):
    slice_ = ("disease_key", "technology", "organism", "contrast_key")
    contrasts = rows(demo, "from fact.fact_gene_pair_contrast")
    pooled = 0
    for pair_key in pair_keys:
        studies = client.get(f"/api/v1/pairs/{pair_key}/studies").json()
        for row in (row for row in contrasts if row["pair_key"] == pair_key):
            own = [s for s in studies if all(s[name] == row[name] for name in slice_)]
            assert len(own) == row["n_studies"]
            if len(own) < 2:
                assert row["theta_re"] == pytest.approx(own[0]["theta"], abs=1e-12)
                continue
            theta, tau2, i2 = derSimonian_laird(own)
            assert row["theta_re"] == pytest.approx(theta, abs=1e-12)
            assert row["tau2"] == pytest.approx(tau2, abs=1e-12)
            # In percent.
            assert row["i2"] == pytest.approx(i2, abs=1e-10)
            pooled += 1
    assert pooled >= PAIRS


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/analytics/pairs/top?q=1&i2_max=100&limit=250",
        "/api/v1/pairs?disease=SEPSIS&limit=250",
        "/api/v1/pairs/1/studies",
        "/api/v1/studies",
        "/api/v1/slices",
        "/api/v1/runs",
    ],
)
def test_tables_are_the_same_in_each_format(client, path):
    expected = client.get(path).json()
    assert expected

    def content(form: str) -> io.BytesIO:
        answer = client.get(f"{path}{'&' if '?' in path else '?'}format={form}")
        assert answer.status_code == 200
        return io.BytesIO(answer.content)

    parquet = pyarrow.parquet.read_table(content("parquet"))
    assert_tables_agree(parquet.to_pylist(), expected)
    options = pyarrow.csv.ConvertOptions(
        column_types=parquet.schema, strings_can_be_null=True, quoted_strings_can_be_null=False
    )
    csv: pa.Table = pyarrow.csv.read_csv(content("csv"), convert_options=options)
    assert csv.equals(parquet)
    first, *cells = openpyxl.load_workbook(content("xlsx")).active.iter_rows(values_only=True)
    xlsx = [dict(zip(first, row, strict=True)) for row in cells]
    # A cell has 15 to 16 digits, and an empty text is an empty cell.
    for row, other in zip(parquet.to_pylist(), xlsx, strict=True):
        for name, value in row.items():
            if isinstance(value, float):
                assert other[name] == pytest.approx(value, rel=1e-15)
            elif isinstance(value, str | int) and value != "":
                assert str(other[name]).removeprefix("'") == str(value)


@pytest.mark.parametrize("form", ["csv", "parquet", "json"])
def test_the_same_data_gives_the_same_bytes(demo, client, form):
    """From the same snapshot in a service that starts anew, and from a new snapshot of the data."""
    paths = [
        "/api/v1/analytics/pairs/top?q=1&i2_max=100&limit=250",
        "/api/v1/pairs?disease=SEPSIS&limit=1000",
        "/api/v1/pairs/1/studies",
        "/api/v1/pairs/1/values?disease=SEPSIS&technology=MICROARRAY&organism=HOMO_SAPIENS",
        "/api/v1/genes/CD86/expression",
        "/api/v1/studies",
        "/api/v1/slices",
    ]

    def exported(of: TestClient) -> list[bytes]:
        asked = [f"{path}{'&' if '?' in path else '?'}format={form}" for path in paths]
        return [of.get(path).raise_for_status().content for path in asked]

    def started_anew() -> TestClient:
        app = create_app(open_store(None), service_files(None))
        return TestClient(app, base_url="http://127.0.0.1:8000")

    first = exported(client)
    assert exported(started_anew()) == first
    publish(demo.path, print)
    assert exported(started_anew()) == first


def assert_tables_agree(found: list[dict], expected: list[dict]) -> None:
    assert len(found) == len(expected)
    for row, other in zip(found, expected, strict=True):
        for name, value in row.items():
            if isinstance(value, float | int | str | type(None)):
                assert other[name] == value, name


@pytest.mark.parametrize("sort", ["rank", "q", "effect", "higher", "lower", "studies", "i2"])
def test_pages_of_a_list_have_every_pair_once_and_in_order(client, sort):
    path, found = f"/api/v1/pairs?disease=SEPSIS&sort={sort}&limit=700", []
    while path:
        answer = client.get(path)
        found += answer.json()
        path = answer.links.get("next", {}).get("url")
    keys = [(row["technology"], row["pair_key"]) for row in found]
    assert len(keys) == len(set(keys)) == 2 * 1770
    order = {
        "rank": lambda row: row["pair_rank"],
        "q": lambda row: row["q_star"],
        "effect": lambda row: -abs(row["effect"]),
        "higher": lambda row: -row["effect"],
        "lower": lambda row: row["effect"],
        "studies": lambda row: -row["included_study_count"],
        "i2": lambda row: row["i2_star"],
    }[sort]
    values = [order(row) for row in found]
    assert values == sorted(values)


def test_lists_are_filtered(client):
    symbol = "CD86"
    found = client.get(f"/api/v1/pairs?gene={symbol}&direction=LOWER&technology=RNA-SEQ").json()
    assert found
    for row in found:
        assert symbol in (row["gene_a_symbol"], row["gene_b_symbol"])
        assert (row["direction"], row["technology"]) == ("LOWER", "RNA-SEQ")
    other = (
        client.get("/api/v1/pairs?sort=q&limit=5").links["next"]["url"].replace("sort=q", "sort=i2")
    )
    for cursor in (other, "/api/v1/pairs?cursor=e30", "/api/v1/pairs?cursor=%C3%A9"):
        answer = client.get(cursor)
        assert (answer.status_code, "cursor" in answer.text) == (422, True)
