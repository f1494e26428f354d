"""Renders macros of the dbt project without dbt, for SQL that the commands and dbt share.

The macros may use only adapter.dispatch, return and env_var of dbt.
"""

import functools
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import jinja2

from expression_warehouse.core.project import project_dir

_FILES = [
    "dialect/expression_rows.sql",
    "dialect/functions.sql",
    "dialect/locks.sql",
    "dialect/schema.sql",
    "dialect/tables.sql",
    "dialect/types.sql",
    "operations/schema_name.sql",
    "operations/backup_database.sql",
    "operations/create_meta.sql",
    "operations/create_staging.sql",
    "study/illness_matches.sql",
    "study/illness_words.sql",
    "study/pair_fact_columns.sql",
    "study/pair_metric_columns.sql",
    "study/pair_scores.sql",
    "study/technology.sql",
    "study/unit_tag.sql",
]


@functools.cache
def project_macros(adapter_type: str) -> Any:
    """The macros that the commands share with dbt, as functions that return text.

    project_macros('duckdb').create_staging()

    adapter_type  the engine; a macro of its own comes before the `default__` one
    """
    folder = project_dir() / "macros"
    return render_macros([folder / name for name in _FILES], adapter_type)


@functools.cache
def statistics_macros(adapter_type: str) -> Any:
    """The macros of dialect/ and stats/, likewise: statistics_macros('duckdb').dsl_pool(…)."""
    folder = project_dir() / "macros"
    files = [*sorted(folder.glob("dialect/*.sql")), *sorted(folder.glob("stats/*.sql"))]
    return render_macros(files, adapter_type)


def render_macros(files: Iterable[Path], adapter_type: str) -> Any:
    """The macros of these files as functions that return text; each can call all others."""
    source = "\n".join(file.read_text(encoding="utf-8") for file in files)
    adapter = _Adapter(adapter_type)
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, extensions=["jinja2.ext.do"])
    adapter.module = environment.from_string(source).make_module(
        {"adapter": adapter, "return": lambda value: value, "env_var": os.environ.get}
    )
    return adapter.module


class _Adapter:
    module: Any

    def __init__(self, adapter_type: str) -> None:
        self._type = adapter_type

    def dispatch(self, name: str, _package: str) -> Callable[..., str]:
        of_engine = getattr(self.module, f"{self._type}__{name}", None)
        return of_engine or getattr(self.module, f"default__{name}")
