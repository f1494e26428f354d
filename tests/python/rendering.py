"""Renders the statistics macros without dbt, so that a test can run their SQL by itself."""

import functools
from collections.abc import Callable
from typing import Any

import jinja2
from conftest import PROJECT

MACROS = PROJECT / "macros"


@functools.cache
def macros(engine: str) -> Any:
    """The macros of dialect/ and stats/ as functions that return text.

    macros('duckdb').tau_squared('cochran_q', ['pair_key'])

    engine  'duckdb', or 'sqlserver', whose implementations are named `default__`
    """
    files = [*sorted(MACROS.glob("dialect/*.sql")), *sorted(MACROS.glob("stats/*.sql"))]
    source = "\n".join(file.read_text(encoding="utf-8") for file in files)
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined)
    adapter = _Adapter(engine)
    module = environment.from_string(source).make_module(
        {"adapter": adapter, "return": lambda value: value}
    )
    adapter.module = module
    return module


class _Adapter:
    module: Any

    def __init__(self, engine: str) -> None:
        self._engine = engine

    def dispatch(self, name: str, _package: str) -> Callable[..., str]:
        own = getattr(self.module, f"{self._engine}__{name}", None)
        return own or getattr(self.module, f"default__{name}")
