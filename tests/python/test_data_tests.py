"""Each rule of each `columns_are_valid` test fires, and says which column broke which rule. A build without
rows; then each tested relation becomes a table whose rows break all of its rules."""

import json
import re
from collections.abc import Iterator

import duckdb
import pytest
from conftest import WarehouseUnderTest
from warehouses import without_rows

RULES = ("not_null", "unique", "accepted_values", "relationships")


def rules_per_relation(manifest: dict) -> Iterator[tuple[str, str, str, dict]]:
    """Name in dbt, schema, relation and rules of each test."""
    for node in manifest["nodes"].values():
        if (node.get("test_metadata") or {}).get("name") == "columns_are_valid":
            name = node["name"].removesuffix("_columns_are_valid")
            (tested,) = (
                relation
                for relation in {**manifest["nodes"], **manifest["sources"]}.values()
                if relation["unique_id"] in node["depends_on"]["nodes"] and relation["name"] == name
            )
            table = tested.get("alias") or tested["identifier"]
            yield name, tested["schema"], table, node["test_metadata"]["kwargs"]


def broken_values(arguments: dict) -> dict[str, str]:
    """A literal per tested column, which the tests of its values refuse. Values that refer to a parent
    differ from the keys that the parents have here."""
    accepted = arguments.get("accepted_values", {})
    values = {}
    for column in {column for rule in RULES for column in arguments.get(rule, [])}:
        if isinstance(accepted.get(column, [""])[0], int):
            values[column] = "7"
        else:
            values[column] = "'orphan'" if column in arguments.get("relationships", {}) else "'key'"
    return values


def replace_by_broken_rows(connection, schema: str, relation: str, arguments: dict) -> None:
    values = broken_values(arguments)
    replaced = ", ".join(f"{value} as {column}" for column, value in values.items())
    name = f"{schema}.{relation}"
    ((kind,),) = connection.execute(
        "select table_type from information_schema.tables where table_schema = ? and table_name = ?",
        [schema, relation],
    ).fetchall()
    connection.execute(f"create table copied as select * replace ({replaced}) from {name} limit 0")
    connection.execute(f"drop {'view' if kind == 'VIEW' else 'table'} {name}")
    connection.execute(f"create table {name} as from copied")
    connection.execute("drop table copied")
    columns = ", ".join(values)
    row = ", ".join(values.values())
    nulls = ", ".join("null" for _ in values)
    connection.execute(f"insert into {name} ({columns}) values ({row}), ({row}), ({nulls})")


@pytest.fixture(scope="module")
def broken(copy_of, tmp_path_factory) -> tuple[WarehouseUnderTest, set[tuple[str, str]], str]:
    """The warehouse, (column, rule) of all rules, and what `dbt test` printed."""
    warehouse = copy_of(without_rows, tmp_path_factory.mktemp("data_tests"))
    warehouse.dbt("test", "--select", "test_name:columns_are_valid")
    manifest = json.loads((warehouse.target / "manifest.json").read_text())
    rules = set()
    with duckdb.connect(str(warehouse.path)) as connection:
        for name, schema, relation, arguments in rules_per_relation(manifest):
            replace_by_broken_rows(connection, schema, relation, arguments)
            for rule in RULES:
                rules |= {(f"{name}.{column}", rule) for column in arguments.get(rule, [])}
    output = warehouse.dbt("test", "--select", "test_name:columns_are_valid", succeeds=False)
    return warehouse, rules, output


def test_the_run_prints_each_column_and_rule(broken):
    _, rules, output = broken
    printed = re.findall(r"^(\w+\.\w+) breaks (\w+): (.*)$", output, re.MULTILINE)
    assert len(rules) > 200
    assert {(column, rule) for column, rule, _ in printed} == rules
    assert {(rule, what) for _, rule, what in printed} == {
        ("not_null", "1 row"),
        ("unique", "1 value, for example 'key'"),
        ("unique", "1 value, for example 'orphan'"),
        ("accepted_values", "1 value, for example 'key'"),
        ("accepted_values", "1 value, for example '7'"),
        ("relationships", "1 value, for example 'orphan'"),
    }


def test_the_log_has_each_column_and_rule(broken):
    warehouse, rules, _ = broken
    logged = warehouse.query(
        "select validation_code, details ->> 'subject', details ->> 'finding', severity"
        " from meta.meta_data_validation_log where run_id is not null"
    )
    assert {(subject, finding.split()[2].rstrip(":")) for _, subject, finding, _ in logged} == rules
    for code, _, finding, severity in logged:
        assert severity == "ERROR"
        foreign_key = " breaks relationships:" in finding
        assert code == (
            "LOAD_FOREIGN_KEY_VIOLATION" if foreign_key else "LOAD_CONSTRAINT_VIOLATION"
        )
