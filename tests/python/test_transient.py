"""Errors that pass by themselves, by the messages that drivers give. DuckDB's are real ones; SQL
Server's are from Microsoft's documentation and drivers, since no server was at hand."""

import pytest

from expression_warehouse.core.transient import is_transient

SQL_SERVER = {
    "[40001] [Microsoft][ODBC Driver 18 for SQL Server][SQL Server]Transaction (Process ID 52) was"
    " deadlocked on lock resources with another process and has been chosen as the deadlock victim."
    " Rerun the transaction. (1205) (SQLExecDirectW)": True,
    "('HYT00', '[HYT00] [Microsoft][ODBC Driver 18 for SQL Server]Login timeout expired (0)')": True,
    "('08S01', '[08S01] [Microsoft][ODBC Driver 18 for SQL Server]TCP Provider: An existing"
    " connection was forcibly closed by the remote host. (10054)')": True,
    "[42000] [Microsoft][SQL Server]Lock request time out period exceeded. (1222)": True,
    "Database 'x' on server 'y' is not currently available. Please retry later. (40613)": True,
    "[42S02] [Microsoft][SQL Server]Invalid object name 'dim.dim_gene'. (208)": False,
    "[23000] [Microsoft][SQL Server]Violation of PRIMARY KEY constraint 'pk'. (2627)": False,
    "[28000] [Microsoft][SQL Server]Login failed for user 'etl_loader'. (18456)": False,
    "[22012] Divide by zero error encountered in row 1205. (8134)": False,
}
DUCKDB = {
    'IO Error: Could not set lock on file "w.duckdb": Conflicting lock is held in python (PID 7)': True,
    "TransactionContext Error: Conflict on update!": True,
    "TransactionContext Error: Conflict on tuple deletion!": True,
    'TransactionContext Error: Catalog write-write conflict on create with "z"': True,
    "Connection Error: Connection already closed!": True,
    'Constraint Error: Duplicate key "a: 5" violates primary key constraint.': False,
    "Conversion Error: Could not convert string 'Conflict' to INT32": False,
    "Out of Memory Error: failed to allocate data": False,
}


@pytest.mark.parametrize(("message", "expected"), SQL_SERVER.items())
def test_sql_server(message, expected):
    assert is_transient("sqlserver", f"Database Error in model dim_gene\n  {message}") is expected


@pytest.mark.parametrize(("message", "expected"), DUCKDB.items())
def test_duckdb(message, expected):
    assert is_transient("duckdb", f"Runtime Error in model dim_gene\n  {message}") is expected


@pytest.mark.parametrize("engine", ["duckdb", "sqlserver"])
def test_an_error_of_the_catalog_never_passes(engine):
    """Whatever else its message says."""
    message = "54040 STUDY_NOT_FOUND: no staged batch for GSE1. Could not set lock on file (1205)"
    assert not is_transient(engine, message)


def test_of_another_engine_nothing_is_known():
    assert not is_transient("postgres", "deadlock detected (1205) [40001]")
