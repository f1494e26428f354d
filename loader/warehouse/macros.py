"""Renders macros of the dbt project without dbt, for SQL that the loader and dbt share.

Works for macros that use nothing of dbt but adapter.dispatch, return and env_var.
"""

import functools
import os
from collections.abc import Callable
from typing import Any

import jinja2

from loader.project import project_dir

_FILES = [
    "dialect/types.sql",
    "dialect/schema.sql",
    "operations/schema_name.sql",
    "operations/create_staging.sql",
    "study/pair_metric_columns.sql",
    "study/technology.sql",
    "study/unit_tag.sql",
]


@functools.cache
def project_macros(adapter_type: str) -> Any:
    """The macros as functions that return text: project_macros('duckdb').create_staging().

    adapter_type  the engine whose implementation dispatch takes before `default__`
    """
    source = "\n".join(
        (project_dir() / "macros" / name).read_text(encoding="utf-8") for name in _FILES
    )
    adapter = _Adapter(adapter_type)
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, extensions=["jinja2.ext.do"])
    template = environment.from_string(source)
    module = template.make_module(
        {"adapter": adapter, "return": lambda value: value, "env_var": os.environ.get}
    )
    adapter.module = module
    return module


class _Adapter:
    module: Any

    def __init__(self, adapter_type: str) -> None:
        self._type = adapter_type

    def dispatch(self, name: str, _package: str) -> Callable[..., str]:
        own = getattr(self.module, f"{self._type}__{name}", None)
        return own or getattr(self.module, f"default__{name}")
