"""dbt and the commands called in the wrong place: a sentence each, no traceback."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PROJECT, TARGET

pytestmark = pytest.mark.skipif(TARGET != "duckdb", reason="no warehouse is opened")


@pytest.fixture
def call(tmp_path):
    """Runs a command, in a folder, as somebody who has no profile and no variables of ours."""

    def run(program: str, *arguments: str, folder: Path = tmp_path, **variables: str):
        ours = ("DBT_", "EXPRESSION_")
        env = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
        env |= {"HOME": str(tmp_path), "PYTHONPATH": str(PROJECT), "COLUMNS": "200", **variables}
        main = {
            "dbt": ["-c", "from dbt.cli.main import cli; cli(prog_name='dbt')"],
            "expression-warehouse": ["-m", "expression_warehouse"],
            "loader": ["-m", "loader"],
        }[program]
        done = subprocess.run(
            [sys.executable, *main, *arguments],
            cwd=folder, env=env, capture_output=True, text=True, check=False,
        )  # fmt: skip
        output = " ".join((done.stdout + done.stderr).split())
        assert done.returncode in (1, 2), output
        assert "Traceback" not in output
        assert "Warning" not in output
        return output

    return run


@pytest.fixture
def checkout(tmp_path):
    """The dbt project without profiles.yml."""
    folder = tmp_path / "checkout"
    for name in ("macros", "models", "seeds", "tests/dbt"):
        shutil.copytree(PROJECT / name, folder / name)
    for name in ("dbt_project.yml", "selectors.yml"):
        shutil.copy(PROJECT / name, folder / name)
    return folder


def test_dbt_without_a_profile(call, checkout, tmp_path):
    """These are dbt's own words: it has loaded nothing of the project by then."""
    output = call("dbt", "build", folder=checkout)
    assert f"Invalid value for '--profiles-dir': Path '{tmp_path}/.dbt' does not exist" in output
    (tmp_path / ".dbt").mkdir()
    assert "Could not find profile named 'expression_warehouse'" in call(
        "dbt", "build", folder=checkout
    )


def test_dbt_in_a_folder_without_the_project(call, tmp_path):
    (tmp_path / ".dbt").mkdir()
    shutil.copy(PROJECT / "profiles.example.yml", tmp_path / ".dbt" / "profiles.yml")
    output = call("dbt", "build")
    assert f"No dbt_project.yml found at expected path {tmp_path}/dbt_project.yml" in output


def test_our_dbt_without_a_profile_says_what_to_copy(call, checkout):
    output = call("expression-warehouse", "dbt", "build", DBT_PROJECT_DIR=str(checkout))
    assert "/.dbt/profiles.yml: there is no such file" in output
    assert f"copy profiles.example.yml to {checkout}/profiles.yml" in output


@pytest.mark.parametrize(
    "program, files, absent",
    [
        ("loader", [], "dbt_project.yml"),
        ("expression-warehouse", ["dbt_project.yml"], "seeds/error_code.csv"),
    ],
    ids=["no project", "another project"],
)
def test_a_project_that_is_not_ours(call, tmp_path, program, files, absent):
    for name in files:
        (tmp_path / name).write_text("name: shop\n")
    assert call(program, "health", DBT_PROJECT_DIR=str(tmp_path)) == (
        f"{tmp_path} has no {absent}. Set DBT_PROJECT_DIR to the folder of this project, or"
        " unset it"
    )
