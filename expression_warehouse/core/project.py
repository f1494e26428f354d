"""The folder of the dbt project, its seeds, and where the commands work."""

import csv
import functools
import os
from pathlib import Path

_PACKAGE = Path(__file__).parents[1]
# What a wheel carries (setup.py); a checkout has the project around the package instead.
_INSTALLED = _PACKAGE / "project"


@functools.cache
def project_dir() -> Path:
    """The folder of the dbt project: DBT_PROJECT_DIR, else the project of this package.

    Ends the process with a sentence if it is not there, or is another project: without its seeds
    there is no catalog of errors.
    """
    default = _INSTALLED if _INSTALLED.is_dir() else _PACKAGE.parent
    folder = Path(os.environ.get("DBT_PROJECT_DIR") or default).absolute()
    for name in ("dbt_project.yml", "seeds/error_code.csv"):
        if not (folder / name).is_file():
            raise SystemExit(
                f"{folder} has no {name}. Set DBT_PROJECT_DIR to the folder of this project, or"
                " unset it"
            )
    return folder


@functools.cache
def work_dir() -> Path:
    """Where a relative path of the warehouse, profiles.yml, target and logs are: the project's
    folder; for an installed package, the current one."""
    return Path.cwd() if project_dir() == _INSTALLED else project_dir()


@functools.cache
def read_seed(name: str) -> tuple[dict[str, str], ...]:
    """The rows of seeds/`name`.csv, each as column → text."""
    with (project_dir() / "seeds" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file))
