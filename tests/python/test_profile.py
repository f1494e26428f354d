"""The dbt profile: a duckdb target is read without dbt, and as dbt reads it."""

import os
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import pytest
from conftest import PROJECT
from dbt.config.profile import Profile
from dbt.config.profile import read_profile as read_profiles_file
from dbt.config.renderer import ProfileRenderer
from dbt.flags import set_from_args
from dbt_common.context import set_invocation_context

from expression_warehouse.core.errors import UserError
from expression_warehouse.core.warehouse import profile
from expression_warehouse.core.warehouse.profile import read_profile

PROFILES = {
    "example": (PROJECT / "profiles.example.yml").read_text(),
    "target of the environment": """
        expression_warehouse:
          target: "{{ env_var('NAMED', 'small') }}"
          outputs:
            small: {type: duckdb, path: small.duckdb}
            large:
              type: "{{ 'duck' ~ 'db' }}"
              path: "{{ env_var('FOLDER', 'data') }}/large.duckdb"
              settings:
                memory_limit: "{{ env_var('MEMORY', '2') }}GB"
                threads: "{{ env_var('THREADS', '3') | as_number }}"
                preserve_insertion_order: "{{ env_var('ORDERED', 'False') | as_bool }}"
              secrets:
                - {type: s3, key_id: "{{ env_var('KEY', 'k') }}", secret: "{{ env_var('NAMED', 'x') }}"}
              threads: 2
            other: {type: duckdb, path: "{{ env_var('NOT_SET_ANYWHERE') }}"}
    """,
    "secret of the environment": """
        expression_warehouse:
          target: only
          outputs:
            only:
              type: duckdb
              path: w.duckdb
              settings: {s3_secret_access_key: "{{ env_var('DBT_ENV_SECRET_KEY') }}"}
    """,
    "what only dbt renders": """
        expression_warehouse:
          target: only
          outputs:
            only:
              type: duckdb
              path: "{{ modules.datetime.date(2026, 1, 2).isoformat() }}.duckdb"
    """,
    "in memory": """
        expression_warehouse: {target: only, outputs: {only: {type: duckdb}}}
    """,
}
FAULTS = {
    "no profile of ours": "other: {target: a, outputs: {a: {type: duckdb, path: w.duckdb}}}",
    "no outputs": "expression_warehouse: {target: a}",
    "empty": "",
    "no such target": "expression_warehouse: {target: b, outputs: {a: {type: duckdb, path: w}}}",
    "no variable": """
        expression_warehouse:
          target: a
          outputs: {a: {type: duckdb, path: "{{ env_var('NOT_SET_ANYWHERE') }}"}}
    """,
    "settings that are no table": """
        expression_warehouse:
          target: a
          outputs: {a: {type: duckdb, path: w.duckdb, settings: [1]}}
    """,
    "a path that is a number": """
        expression_warehouse: {target: a, outputs: {a: {type: duckdb, path: 3}}}
    """,
    "not yaml": "expression_warehouse: {target: [",
    "jinja that does not end": """
        expression_warehouse: {target: a, outputs: {a: {type: duckdb, path: "{{ env_var("}}}
    """,
}


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.setenv("DBT_PROFILES_DIR", str(tmp_path))
    monkeypatch.setenv("DBT_ENV_SECRET_KEY", "hunter2")
    return (tmp_path / "profiles.yml").write_text


def of_dbt(folder: Path, target: str | None) -> Profile:
    set_invocation_context(dict(os.environ))
    set_from_args(Namespace(), {})
    return Profile.from_raw_profiles(
        read_profiles_file(str(folder)),
        profile.PROFILE,
        ProfileRenderer({}),
        target_override=target,
    )


@pytest.mark.parametrize(
    ("name", "target", "environment"),
    [
        ("example", None, {}),
        ("example", "duckdb", {"EXPRESSION_WAREHOUSE_DB": "7"}),
        ("example", "duckdb", {"EXPRESSION_WAREHOUSE_DB": "a folder/o'clock.duckdb"}),
        ("target of the environment", None, {}),
        ("target of the environment", None, {"NAMED": "large"}),
        ("target of the environment", "large", {"THREADS": "1", "FOLDER": "{{ 1 + 1 }}"}),
        ("secret of the environment", None, {}),
        ("what only dbt renders", None, {}),
        ("in memory", None, {}),
    ],
)
def test_a_duckdb_target_is_read_as_dbt_reads_it(
    write, tmp_path, monkeypatch, name, target, environment
):
    write(PROFILES[name])
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)

    found, expected = read_profile(target), of_dbt(tmp_path, target)

    assert found.target_name == expected.target_name
    assert (found.credentials.type, found.credentials.path, found.credentials.settings) == (
        "duckdb",
        expected.credentials.path,
        expected.credentials.settings,
    )


@pytest.mark.parametrize("value", [None, ""])
def test_an_empty_variable_counts_as_unset(write, monkeypatch, value):
    """As compose files and units pass on what is not set."""
    write(PROFILES["example"])
    monkeypatch.delenv("EXPRESSION_WAREHOUSE_DB", raising=False)
    if value is not None:
        monkeypatch.setenv("EXPRESSION_WAREHOUSE_DB", value)
    assert read_profile("duckdb").credentials.path == "warehouse.duckdb"


@pytest.mark.parametrize("name", FAULTS)
def test_what_dbt_cannot_read_is_an_error_of_a_sentence(write, name):
    write(FAULTS[name])
    with pytest.raises(UserError) as caught:
        read_profile()
    assert caught.value.name == "LOAD_CONNECTION_FAILED"
    assert "profiles.yml" in caught.value.file


def test_a_variable_that_is_not_set_is_named(write):
    write(FAULTS["no variable"])
    with pytest.raises(UserError, match="NOT_SET_ANYWHERE"):
        read_profile()


def test_secrets_of_a_target_are_not_shown(write):
    write(PROFILES["target of the environment"])
    assert "secret" not in repr(read_profile("large"))


@pytest.mark.parametrize(
    "command",
    [
        ["sql", "select 1"],
        ["inspect", "."],
        ["ingest", "."],
        ["health"],
        ["api", "serve", "--help"],
    ],
    ids=" ".join,
)
def test_a_command_without_a_build_does_not_import_dbt(command, tmp_path):
    """It takes as long as three of these commands."""
    code = (
        "import sys; from expression_warehouse.cli import main\n"
        "try: main()\n"
        "finally: assert not {'dbt.config', 'dbt.adapters'} & set(sys.modules)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, *command],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "EXPRESSION_WAREHOUSE_DB": str(tmp_path / "w.duckdb")},
    )
    assert "AssertionError" not in ended.stderr, ended.stderr
    assert "Traceback" not in ended.stderr, ended.stderr
