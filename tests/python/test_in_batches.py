"""Models that are computed a batch at a time: the batches hold each row once, and none is too large."""

import duckdb
from conftest import PROJECT
from hypothesis import given
from hypothesis import strategies as st

from expression_warehouse.core.warehouse.macros import render_macros

MOST = 100
MACROS = render_macros([PROJECT / "macros/dialect/in_batches.sql"], "duckdb")


@given(st.lists(st.integers(0, 3 * MOST), max_size=30))
def test_ranges_hold_each_number_once_and_about_as_much_as_asked(sizes):
    with duckdb.connect() as connection:
        connection.execute("create table s (number integer, size bigint)")
        connection.executemany("insert into s values (?, ?)", [*enumerate(sizes), (-1, 0)])
        query = MACROS.ranges_of_size("s", "number", "size", MOST)
        ranges = connection.execute(query).fetchall()

    numbers = [number for first, last in ranges for number in range(first, last + 1)]
    assert numbers == list(range(-1, len(sizes)))
    for first, last in ranges:
        held = [sizes[number] for number in range(max(first, 0), last + 1)]
        assert sum(held) < 2 * MOST or len([size for size in held if size]) == 1, held


def test_without_rows_there_is_no_range():
    with duckdb.connect() as connection:
        connection.execute("create table s (number integer, size bigint)")
        assert not connection.execute(MACROS.ranges_of_size("s", "number", "size", 1)).fetchall()
