"""The package installed from its wheel, in an environment and a folder apart from any checkout."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import duckdb
import pytest
from conftest import PROJECT, TARGET, Study

pytestmark = pytest.mark.skipif(TARGET != "duckdb", reason="a server needs no installed package")

SOURCES = (
    "pyproject.toml", "setup.py", "README.md", "LICENSE", "dbt_project.yml", "selectors.yml",
    "profiles.example.yml", "dbt_current_build.py", "dbt_rare_garbage_collection.py", "dbt_study_selector.py", "dbt_writer_lock.py", "expression_warehouse", "loader", "macros", "models",
    "seeds", "tests/dbt",
)  # fmt: skip


@pytest.fixture(scope="module")
def program(tmp_path_factory) -> Path:
    """The console script of an environment that has the wheel and, of this one, the dependencies."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        ignored = shutil.ignore_patterns("__pycache__")
        copy = shutil.copy if (PROJECT / name).is_file() else shutil.copytree
        (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        copy(
            PROJECT / name,
            folder / "source" / name,
            **({} if copy is shutil.copy else {"ignore": ignored}),
        )
    environment = folder / "environment"
    pip = [sys.executable, "-m", "pip", "--quiet"]
    for command in (
        [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, folder / "source"],
        [sys.executable, "-m", "venv", "--without-pip", environment],
        [*pip, "--python", environment, "install", "--no-deps", "--no-index", "--find-links", folder, "expression-warehouse"],
    ):  # fmt: skip
        # Beside a checkout, pip would take the package for installed.
        done = subprocess.run(
            command, cwd=folder, env=os.environ | {"PYTHONPATH": ""}, capture_output=True, text=True, check=False
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    (packages,) = environment.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"])
    return environment / "bin" / "expression-warehouse"


class Installed:
    """A user's folder, in which the installed commands are called."""

    def __init__(self, program: Path, folder: Path) -> None:
        self.program, self.folder = program, folder
        ours = ("DBT_", "EXPRESSION_", "PYTHONPATH")
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
        self.env["HOME"] = str(folder)

    def __call__(self, *arguments: object, **variables: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [self.program, *map(str, arguments)], cwd=self.folder, env=self.env | variables,
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    def query(self, sql: str) -> list[tuple]:
        with duckdb.connect(str(self.folder / "warehouse.duckdb"), read_only=True) as connection:
            return connection.sql(sql).fetchall()


@pytest.fixture
def installed(program, tmp_path) -> Installed:
    return Installed(program, tmp_path)


def test_a_download_runs_and_builds_without_a_checkout(installed):
    values = [[f"{(7 * g + 3 * s) % 97 / 8}" for s in range(9)] for g in range(5)]
    samples, genes = [f"S{s}" for s in range(9)], [f"ENSG{g:011d}" for g in range(5)]
    Study("GSE1", samples, genes, values, ["sepsis", "control", "septic shock"] * 3).write(
        installed.folder / "download"
    )
    run = installed("run", "download")
    assert run.returncode == 0, run.stdout + run.stderr
    assert installed.query("select count(*) from fact.fact_gene_expression") == [(45,)]

    build = installed("dbt", "build", "--select", "study:GSE1,+dim_study")
    assert build.returncode == 0, build.stdout
    assert "Completed successfully" in build.stdout
    assert sorted(path.name for path in installed.folder.iterdir() if path.is_dir()) == [
        "download", "logs", "target",
    ]  # fmt: skip
    assert installed("health").returncode == 0


@pytest.mark.long
def test_a_genuine_download_runs(installed, shared_data):
    run = installed("run", shared_data / "refinebio" / "SRP164913.zip")
    assert run.returncode == 0, run.stdout + run.stderr
    ((genes,),) = installed.query("select count(distinct gene_key) from fact.fact_gene_expression")
    assert genes == 43_363


def test_a_profile_of_other_projects_is_left_alone(installed):
    (installed.folder / ".dbt").mkdir()
    (installed.folder / ".dbt" / "profiles.yml").write_text("shop: {target: a, outputs: {}}\n")
    health = json.loads(installed("health").stdout)
    health.pop("machine")
    assert health == {
        "status": "not built",
        "message": f"{installed.folder / 'warehouse.duckdb'}: there is no such file",
    }
