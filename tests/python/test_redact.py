"""Passwords stay out of logs."""

import pytest
from dbt.adapters.duckdb.credentials import DuckDBCredentials

from expression_warehouse.core.errors import UserError
from expression_warehouse.core.warehouse.profile import read_profile
from expression_warehouse.core.warehouse.redact import redactor

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


def test_a_password_of_the_wrong_type_is_not_quoted(tmp_path, monkeypatch):
    (tmp_path / "profiles.yml").write_text(
        "expression_warehouse:\n  target: s\n  outputs:\n    s: {type: sqlserver, server: h, database: d,"
        " schema: x, driver: y, user: u, password: 98765432}\n"
    )
    monkeypatch.setenv("DBT_PROFILES_DIR", str(tmp_path))
    with pytest.raises(UserError, match="4001") as raised:
        read_profile()
    assert "98765432" not in str(raised.value)
