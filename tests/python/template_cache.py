"""A Jinja template of dbt is compiled once per process.

dbt compiles the same macros anew for each command: a tenth of a build.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType
from typing import Any
from unittest import mock

from jinja2 import Environment


@contextmanager
def compiled_once() -> Iterator[None]:
    """Within the block, equal templates share their compiled code."""
    compile_template = Environment.compile
    compiled: dict[tuple, CodeType] = {}

    def compile_once(environment: Environment, source: Any, *rest: Any, **options: Any) -> CodeType:
        key = (type(environment), *map(type, environment.extensions.values()), source, *rest)
        key += tuple(sorted(options.items()))
        if key not in compiled:
            compiled[key] = compile_template(environment, source, *rest, **options)
        return compiled[key]

    with mock.patch.object(Environment, "compile", compile_once):
        yield
