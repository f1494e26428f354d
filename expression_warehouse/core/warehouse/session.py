"""Statements of one transaction, and the names of its schemas."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any


class Session(ABC):
    """Statements of one transaction."""

    @abstractmethod
    def execute(self, statement: str, values: Sequence[Any] = ()) -> Any:
        """Run a statement; return the driver's cursor."""

    @abstractmethod
    def change(self, statement: str, values: Sequence[Any] = ()) -> int:
        """Run a statement that changes rows; return how many."""

    @abstractmethod
    def wait_for(self, lock: str) -> None:
        """Take a lock, as macro lock_until_commit writes it; empty if the engine has none."""

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[tuple]:
        """The rows of a query."""
        return [tuple(row) for row in self.execute(query, values).fetchall()]

    def row(self, query: str, values: Sequence[Any] = ()) -> tuple | None:
        """The first row of a query; None if it has none."""
        first = self.execute(query, values).fetchone()
        return None if first is None else tuple(first)

    def only_row(self, query: str, values: Sequence[Any] = ()) -> tuple:
        """The row of a query that has exactly one."""
        (row,) = self.rows(query, values)
        return tuple(row)

    def columns(self, table: str) -> list[str]:
        """The names of a table's columns."""
        described = self.execute(f"select * from {table} where 1 = 0").description
        return [column[0] for column in described]

    def insert(self, table: str, row: dict[str, Any]) -> None:
        """Write one row."""
        columns, values = ", ".join(row), ", ".join("?" for _ in row)
        self.change(f"insert into {table} ({columns}) values ({values})", list(row.values()))

    def put(self, table: str, key: dict[str, Any], row: dict[str, Any]) -> None:
        """Write one row; it replaces the row with this key, if there is one."""
        columns = ", ".join(f"{name} = ?" for name in row)
        condition = " and ".join(f"{name} = ?" for name in key)
        if not self.change(
            f"update {table} set {columns} where {condition}", [*row.values(), *key.values()]
        ):
            self.insert(table, key | row)


class SchemaNames(dict[str, str]):
    """dim → the schema's name in this warehouse, for str.format_map."""

    def __init__(self, macros: Any) -> None:
        super().__init__()
        self._macros = macros

    def __missing__(self, name: str) -> str:
        return self._macros.schema_name(name)
