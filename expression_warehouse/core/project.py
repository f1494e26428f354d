"""The folder of the dbt project, and its seeds."""

import csv
import functools
import os
from pathlib import Path


@functools.cache
def project_dir() -> Path:
    """The folder with dbt_project.yml: DBT_PROJECT_DIR, else the project of this package."""
    return Path(os.environ.get("DBT_PROJECT_DIR") or Path(__file__).parents[2]).absolute()


@functools.cache
def read_seed(name: str) -> tuple[dict[str, str], ...]:
    """The rows of seeds/`name`.csv, each as column → text."""
    with (project_dir() / "seeds" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file))
