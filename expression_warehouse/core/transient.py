"""Which database errors are transient, so that another attempt can succeed."""

import re

# Errors of the catalog are about the data or the command: another attempt would fail too.
_CATALOG = re.compile(r"\b(54\d{3}|[1-5]0\d{2}) [A-Z]+_[A-Z_]+")

_BY_ENGINE = {
    # Drivers quote SQLSTATE as it is and the server's number in parentheses.
    # https://learn.microsoft.com/sql/odbc/reference/appendixes/appendix-a-odbc-error-codes
    # https://learn.microsoft.com/azure/azure-sql/database/troubleshoot-common-errors-issues
    "sqlserver": re.compile(
        r"\b(40001|08S01|08001|08003|08007|HYT00|HYT01)\b"  # serialization, connection, timeout
        r"|\((1205|1222|3960)\)"  # deadlock victim, lock timeout, snapshot conflict
        r"|\((4221|10928|10929|40197|40501|40613|49918|49919|49920)\)"  # busy or moving
        r"|\((10053|10054|10060|10061)\)"  # network
        r"|was deadlocked|Lock request time out|Communication link failure|forcibly closed",
    ),
    # https://duckdb.org/docs/stable/connect/concurrency
    "duckdb": re.compile(
        r"Could not set lock on file"
        r"|TransactionContext Error: (Conflict on|Catalog write-write conflict)"
        r"|Connection Error: Connection",
    ),
}


def is_transient(adapter_type: str, message: str) -> bool:
    """Whether a message of the engine is about a deadlock, a lock timeout or a lost connection.

    adapter_type  'duckdb' or 'sqlserver'; no error of another engine is known to be transient
    """
    if _CATALOG.search(message):
        return False
    pattern = _BY_ENGINE.get(adapter_type)
    return bool(pattern and pattern.search(message))
