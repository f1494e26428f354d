"""Results of a computation outside SQL become visible together or not at all; bound parameters."""

import datetime
import os
from unittest import mock

import pyarrow as pa
import pytest

from expression_warehouse.core.warehouse.sqlserver import positional
from expression_warehouse.core.warehouse.staging_load import FeatureRun
from expression_warehouse.core.warehouse.target import open_warehouse

STARTED = datetime.datetime(2026, 1, 2, 3, 4, 5)
VALUES = pa.schema(
    {
        "feature_run_id": pa.string(),
        "entity_scope": pa.string(),
        "entity_id_1": pa.int64(),
        "feature_name": pa.string(),
        "feature_value": pa.float64(),
    }
)


@pytest.fixture
def opened(warehouse):
    with mock.patch.dict(os.environ, warehouse.env), open_warehouse() as opened:
        yield opened


def run(name: str) -> FeatureRun:
    return FeatureRun(
        name, "RANK", "SEPSIS", "RNA-SEQ", "HOMO_SAPIENS", 1, "{}", "{}", 3, 4, 6, STARTED, STARTED
    )


def rows(name: str, *values: float):
    yield pa.RecordBatch.from_pylist(
        [
            {
                "feature_run_id": name,
                "entity_scope": "GENE",
                "entity_id_1": number,
                "feature_name": "x",
                "feature_value": value,
            }
            for number, value in enumerate(values)
        ],
        VALUES,
    )


def staged(opened) -> list[tuple]:
    table = opened.read(
        "select feature_run_id, entity_id_1, entity_id_2, feature_value"
        " from {staging}.feature_values order by all"
    )
    return [tuple(row.values()) for row in table.to_pylist()]


def runs(opened) -> list[str]:
    query = "select feature_run_id from {meta}.meta_feature_run order by all"
    return opened.read(query)["feature_run_id"].to_pylist()


def test_rows_take_the_place_of_those_of_their_scope(opened):
    with opened.load_staging() as load:
        load.put_run(run("a"))
        scope = {"feature_run_id": "a", "feature_name": "x"}
        assert load.replace_rows("feature_values", scope, VALUES, rows("a", 1.5, 2.5)) == 2
        scope = {"feature_run_id": "b"}
        assert load.replace_rows("feature_values", scope, VALUES, rows("b", 7.0)) == 1
    with opened.load_staging() as load:
        load.put_run(run("a"))
        load.replace_rows("feature_values", {"feature_run_id": "a"}, VALUES, rows("a", 3.5))
    assert runs(opened) == ["a"]
    assert staged(opened) == [("a", 0, None, 3.5), ("b", 0, None, 7.0)]


def test_what_breaks_off_leaves_nothing(opened):
    def broken():
        yield from rows("a", 1.0)
        raise ArithmeticError

    with pytest.raises(ArithmeticError), opened.load_staging() as load:
        load.put_run(run("a"))
        load.replace_rows("feature_values", {"feature_run_id": "a"}, VALUES, broken())
    assert (runs(opened), staged(opened)) == ([], [])


def test_parameters_of_a_query_are_bound(opened):
    query = "select $text as text, $number as number, coalesce($missing, $text) as text_again"
    text = "O'Neill'; drop table staging.batch; --"
    values = {"text": text, "number": 7, "missing": None}
    assert opened.read(query, values).to_pylist() == [
        {"text": text, "number": 7, "text_again": text}
    ]


def test_ordered_rows_stay_in_order(opened):
    """More than fit into one batch, with and without parameters."""
    query = "select range as number from range(300000) where range >= {} order by range"
    for least, values in (("5", {}), ("$least", {"least": 5})):
        numbers = opened.read(query.format(least), values)["number"].to_pylist()
        assert numbers == list(range(5, 300_000))


def test_parameters_of_sql_server_are_positional():
    query = "select 1 where a = $x and b = $other_x and c = $x"
    assert positional(query, {"x": 1, "other_x": "y"}) == (
        "select 1 where a = ? and b = ? and c = ?",
        [1, "y", 1],
    )
    # A text of the query may have a dollar sign.
    assert positional(query, {"x": 1}) == (
        "select 1 where a = ? and b = $other_x and c = ?",
        [1, 1],
    )
