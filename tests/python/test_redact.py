"""Passwords stay out of logs."""

from dbt.adapters.duckdb.credentials import DuckDBCredentials

from loader.warehouse.redact import redactor

CREDENTIALS = DuckDBCredentials(
    database="w",
    schema="main",
    path="w.duckdb",
    settings={"s3_secret_access_key": "hunter2", "threads": "3"},
)


def test_secrets_of_the_target_are_replaced():
    redacted = redactor(CREDENTIALS)
    assert redacted("403 for key hunter2 on 3 threads") == "403 for key *** on 3 threads"
    assert redacted(None) is None


def test_passwords_in_connection_strings_are_replaced():
    redacted = redactor(CREDENTIALS)
    assert redacted("Server=x;PWD=pa55 word;UID=a") == "Server=x;PWD=***;UID=a"
    assert redacted("failed: password = geheim;Encrypt=yes") == "failed: password=***;Encrypt=yes"
