"""What the API reads: the newest snapshot, or the warehouse itself."""

import functools
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import pyarrow as pa

from expression_warehouse.api import queries
from expression_warehouse.api.turns import Turns
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.snapshot import newest_snapshot
from expression_warehouse.core.warehouse.base import Parameters, Settings, Warehouse
from expression_warehouse.core.warehouse.duckdb import DuckDBWarehouse, file_path
from expression_warehouse.core.warehouse.duckdb_target import DuckDBTarget
from expression_warehouse.core.warehouse.profile import read_profile
from expression_warehouse.core.warehouse.target import open_warehouse

# Requests run beside one another, so a query needs no second thread, which would need memory too.
# A snapshot can be larger than the memory of the machine, so that DuckDB must not take most of it.
_SETTINGS = {"memory_limit": "128MB", "threads": "1", "enable_external_access": "false"}
# Queries that run at the same time, over all requests; the others wait. More would end later and
# need more memory.
_QUERIES = Turns(4)

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Edition:
    """An open warehouse.

    version    that of its data
    has_ranks  whether it is a snapshot, in which pairs are ranked already
    """

    warehouse: Warehouse
    version: str
    has_ranks: bool

    def rows(
        self, query: str, parameters: Parameters = None, settings: Settings = None
    ) -> list[dict[str, Any]]:
        """The rows of a query as Warehouse.read takes it, each as column → value."""
        return _in_turn(lambda: self.warehouse.read_rows(query, parameters, settings))

    def table(
        self, query: str, parameters: Parameters = None, settings: Settings = None
    ) -> pa.Table:
        """The same as an Arrow table."""
        return _in_turn(lambda: self.warehouse.read(query, parameters, settings))

    # It reads all pairs, and each list asks for it.
    @functools.cached_property
    def diseases_with_pairs(self) -> tuple[str, ...]:
        """Labels of the diseases that have pairs, in order."""
        return tuple(row["disease_label"] for row in self.rows(queries.DISEASES))


def _in_turn(read: Callable[[], _Result]) -> _Result:
    """What a query reads. If memory was short because of other queries, it runs again alone."""
    try:
        with _QUERIES.one():
            return read()
    except UserError as error:
        if not isinstance(error.__cause__, duckdb.OutOfMemoryException):
            raise
    with _QUERIES.all():
        return read()


class Store(ABC):
    """Where each request finds what it reads."""

    @abstractmethod
    def current(self) -> Edition:
        """What a request that begins now reads, from its first query to its last."""


class SnapshotStore(Store):
    """The newest snapshot of a DuckDB warehouse. Requests under way end on the one they began on.

    Raises UserError 4008 if there is none.
    """

    def __init__(self, credentials: DuckDBTarget) -> None:
        self._credentials = credentials
        self._warehouse: Path = file_path(credentials)
        self._lock = threading.Lock()
        self._edition: Edition | None = None
        self.current()

    def current(self) -> Edition:
        snapshot = newest_snapshot(self._warehouse)
        with self._lock:
            if snapshot is None:
                if self._edition:
                    return self._edition
                raise UserError(
                    "LOAD_WAREHOUSE_NOT_BUILT",
                    "no snapshot of the warehouse is published",
                    file=str(self._warehouse),
                    action="Run expression-warehouse api publish",
                )
            if self._edition is None or self._edition.version != snapshot.version:
                of_snapshot = replace(
                    self._credentials, path=str(snapshot.path.absolute()), settings=_SETTINGS
                )
                opened = DuckDBWarehouse(of_snapshot, is_probe=True)
                self._edition = Edition(opened, snapshot.version, has_ranks=True)
            return self._edition


class DirectStore(Store):
    """A server, whose readers and writers do not wait for each other: the warehouse itself."""

    def __init__(self, target: str | None) -> None:
        self._warehouse = open_warehouse(target, is_probe=True)

    def current(self) -> Edition:
        query = (
            "select max(run_id) as run_id from {meta}.vw_run where started_at = "
            "(select max(started_at) from {meta}.vw_run)"
        )
        (row,) = self._warehouse.read(query).to_pylist()
        return Edition(self._warehouse, str(row["run_id"]), has_ranks=False)


def open_store(target: str | None) -> Store:
    """What the API reads of a target of the dbt profile.

    Raises UserError 4001 if the target cannot be opened, 4008 if no snapshot is published.
    """
    credentials: Any = read_profile(target).credentials
    if credentials.type == "duckdb":
        return SnapshotStore(credentials)
    return DirectStore(target)
