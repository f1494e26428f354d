"""Passwords stay out of logs, and SQL out of names."""

import pytest
from conftest import Study, events

from expression_warehouse.core.errors import UserError
from expression_warehouse.core.redact import redactor
from expression_warehouse.core.warehouse.duckdb_target import DuckDBTarget
from expression_warehouse.core.warehouse.profile import read_profile

CREDENTIALS = DuckDBTarget(
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
    assert redacted("failed: password = geheim;Encrypt=yes") == "failed: password = ***;Encrypt=yes"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("md:w?motherduck_token=eyJh.b-c&x=1", "md:w?motherduck_token=***&x=1"),
        ("AccountName=a;AccountKey=k+/9==;End=x", "AccountName=a;AccountKey=***;End=x"),
        ("403 https://h/b?sv=1&sig=a%2Fb%3D&se=2", "403 https://h/b?sv=1&sig=***&se=2"),
        ("Authorization: Bearer abc.def-123= is refused", "Authorization: Bearer *** is refused"),
        ("Authorization: Basic dXNlcjpwdw==", "Authorization: Basic ***"),
        ("postgres://anna:p/a@ss@db.org/x is down", "postgres://anna:***@db.org/x is down"),
        ("PWD={a;b}}c}};d};UID=x", "PWD=***;UID=x"),
        ("assign=3, basic rights, https://h:8080/a", "assign=3, basic rights, https://h:8080/a"),
    ],
)
def test_secrets_that_messages_quote_are_replaced(text, masked):
    assert redactor(CREDENTIALS)(text) == masked
    assert UserError("LOAD_CONNECTION_FAILED", text).found == masked


def test_a_password_is_replaced_however_it_is_written():
    redacted = redactor(DuckDBTarget("w.duckdb", others={"password": "a;b}c&d"}))
    assert redacted("login {a;b}}c&d} or a%3Bb%7Dc%26d or a;b}c&d") == "login {***} or *** or ***"


def test_a_password_of_the_wrong_type_is_not_quoted(tmp_path, monkeypatch):
    (tmp_path / "profiles.yml").write_text(
        "expression_warehouse:\n  target: s\n  outputs:\n    s: {type: sqlserver, server: h, database: d,"
        " schema: x, driver: y, user: u, password: 98765432}\n"
    )
    monkeypatch.setenv("DBT_PROFILES_DIR", str(tmp_path))
    with pytest.raises(UserError, match="4001") as raised:
        read_profile()
    assert "98765432" not in str(raised.value)


@pytest.mark.parametrize("prefix", ["a; drop table x --", "a.b", "x" * 51, "ä"])
def test_a_prefix_of_schemas_that_is_no_name(warehouse, tmp_path, prefix):
    warehouse.env["EXPRESSION_SCHEMA_PREFIX"] = prefix
    result = warehouse.loader("ingest", Study().write(tmp_path / "d"))
    assert events(result, "failed")[0]["error_code"] == 54030
    assert not warehouse.path.exists()


def test_dbt_refuses_such_a_prefix(warehouse):
    warehouse.env["EXPRESSION_SCHEMA_PREFIX"] = "a; drop table x --"
    exit_code, output = warehouse.dbt_command("ls", "--select", "dim_gene")
    assert exit_code != 0
    assert "54030 CONFIG_INVALID: EXPRESSION_SCHEMA_PREFIX" in output
    assert "Traceback" not in output
