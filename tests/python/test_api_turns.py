"""Queries of the API that run at the same time share its memory; one that lacks it runs again alone."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import duckdb
import pytest

from expression_warehouse.api.store import Edition
from expression_warehouse.api.turns import Turns
from expression_warehouse.core.errors import UserError


class Scarce:
    """A warehouse whose first query fails."""

    def __init__(self, cause: Exception) -> None:
        self.cause = cause
        self.tries = 0

    def read_rows(self, query: str, *_: object) -> list[dict]:
        self.tries += 1
        if self.tries == 1:
            raise UserError("LOAD_READ_FAILED", "it failed") from self.cause
        return [{"query": query}]


def test_a_query_without_memory_is_tried_again():
    warehouse = Scarce(duckdb.OutOfMemoryException("could not allocate block"))
    assert Edition(warehouse, "1", True).rows("select 1") == [{"query": "select 1"}]
    assert warehouse.tries == 2


def test_a_query_that_fails_otherwise_is_not():
    warehouse = Scarce(duckdb.InvalidInputException("wrong"))
    with pytest.raises(UserError, match="it failed"):
        Edition(warehouse, "1", True).rows("select 1")
    assert warehouse.tries == 1


def test_a_few_run_beside_one_another():
    turns, both = Turns(2), threading.Barrier(2)

    def beside() -> None:
        with turns.one():
            both.wait(timeout=20)

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(beside), pool.submit(beside)]:
            done.result(timeout=20)


def test_one_alone_waits_for_those_that_run():
    turns, begun, may_end, order = Turns(2), threading.Event(), threading.Event(), []

    def beside() -> None:
        with turns.one():
            begun.set()
            may_end.wait(timeout=20)
            order.append("beside")

    def by_itself() -> None:
        with turns.all():
            order.append("alone")

    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(beside)
        begun.wait(timeout=20)
        others = [pool.submit(by_itself), pool.submit(by_itself)]
        time.sleep(0.1)
        may_end.set()
        for done in [first, *others]:
            done.result(timeout=20)
    assert order == ["beside", "alone", "alone"]
