"""Puts the dbt project into the wheel, so that an installed package works without a checkout.

All else about the build is in pyproject.toml.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

PROJECT = ("dbt_project.yml", "selectors.yml", "macros", "models", "seeds", "tests/dbt")


class BuildWithProject(build_py):
    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        folder = Path(self.build_lib, "expression_warehouse", "project")
        shutil.rmtree(folder, ignore_errors=True)
        for name in PROJECT:
            copy = shutil.copytree if Path(name).is_dir() else shutil.copy
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            copy(name, folder / name)
        # The profile of those who write none: a DuckDB file in the current folder.
        shutil.copy("profiles.example.yml", folder / "profiles.yml")


setup(cmdclass={"build_py": BuildWithProject})
