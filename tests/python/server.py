"""A database of its own for each test that asks for one, on the server that the environment names."""

import atexit
import functools
import os
import uuid
from collections.abc import Mapping
from typing import Any

import pyodbc
import sqlglot

from expression_warehouse.core.warehouse.sqlserver_driver import wheel_driver


@functools.cache
def _administrator() -> pyodbc.Connection:
    return _connect(os.environ, "master")


def _connect(environment: Mapping[str, str], database: str) -> pyodbc.Connection:
    trust = environment.get("EXPRESSION_SQLSERVER_TRUST_CERT", "False").lower() in ("true", "1")
    words = {
        "DRIVER": wheel_driver(),
        "SERVER": f"{environment['EXPRESSION_SQLSERVER_HOST']},{environment.get('EXPRESSION_SQLSERVER_PORT', '1433')}",
        "DATABASE": database,
        "UID": environment["EXPRESSION_SQLSERVER_USER"],
        "PWD": environment["EXPRESSION_SQLSERVER_PASSWORD"],
        "Encrypt": "yes",
        "TrustServerCertificate": "yes" if trust else "no",
    }
    return pyodbc.connect(
        ";".join(
            f"{name}={{{word}}}" if name in ("DRIVER", "PWD") else f"{name}={word}"
            for name, word in words.items()
        ),
        autocommit=True,
    )


class Database:
    """An empty database, which is dropped when the process ends."""

    def __init__(self) -> None:
        self.name = f"expression_test_{uuid.uuid4().hex[:12]}"
        _administrator().execute(f"create database {self.name}")
        # As docs/sql-server.md advises: readers do not wait for writers.
        _administrator().execute(f"alter database {self.name} set read_committed_snapshot on")
        atexit.register(self._drop)
        self._connection = _connect(os.environ, self.name)

    def _drop(self) -> None:
        self._connection.close()
        # Connections that a pool keeps open, of a process that was killed too, would keep the database.
        _administrator().execute(
            f"alter database {self.name} set single_user with rollback immediate"
        )
        _administrator().execute(f"drop database {self.name}")

    def query(self, sql: str) -> list[tuple]:
        """The rows of a query in DuckDB's SQL."""
        return [tuple(row) for row in self._execute(sql).fetchall()]

    def write(self, statement: str) -> None:
        """Run a statement in DuckDB's SQL."""
        self._execute(statement)

    def execute(self, tsql: str) -> None:
        """Run a statement in T-SQL."""
        self._connection.execute(tsql)

    def table(self, name: str) -> tuple[list[str], list[tuple]]:
        """A table's columns and rows."""
        cursor = self._connection.execute(f"select * from {name}")
        return [column[0] for column in cursor.description], [
            tuple(row) for row in cursor.fetchall()
        ]

    def _execute(self, sql: str) -> Any:
        (tsql,) = sqlglot.transpile(sql, read="duckdb", write="tsql")
        return self._connection.execute(tsql)
