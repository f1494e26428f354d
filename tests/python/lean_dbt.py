"""dbt in this process without work that no test looks at: half of a build."""

import functools
import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import CodeType
from typing import Any
from unittest import mock

from dbt.artifacts.schemas import base
from dbt.clients.jinja import MacroGenerator
from dbt.compilation import Linker
from dbt.context.configured import ConfiguredContext
from dbt.context.macro_resolver import TestMacroNamespace
from dbt.context.macros import MacroNamespace, MacroNamespaceBuilder
from dbt.context.manifest import ManifestContext
from dbt.contracts.graph.nodes import Macro
from dbt_common.clients import agate_helper
from dbt_common.events.base_types import BaseEvent, DebugLevel, EventLevel
from dbt_common.events.event_manager import EventManager
from dbt_common.events.event_manager_client import get_event_manager
from dbt_common.utils.encoding import JSONEncoder
from jinja2 import Environment, FileSystemBytecodeCache


@contextmanager
def lean_dbt(folder: Path) -> Iterator[None]:
    """Within the block, dbt does the same with less work.

    folder  shared by all processes, takes compiled templates
    """
    with ExitStack() as stack:
        stack.enter_context(_compiled_once(folder))
        stack.enter_context(_no_debug_events())
        for owner, name, lean in (
            (ManifestContext, "to_dict", _to_dict),
            (MacroNamespaceBuilder, "build_namespace", _build_namespace),
            (base, "write_json", _write_json),
            # Making one takes longer than most statements that return it.
            (agate_helper, "empty_table", functools.cache(agate_helper.empty_table)),
            (agate_helper, "build_type_tester", _build_type_tester),
            # No test reads it.
            (Linker, "get_graph_summary", lambda _linker, _manifest: {}),
        ):
            stack.enter_context(mock.patch.object(owner, name, lean))
        yield


@contextmanager
def _compiled_once(folder: Path) -> Iterator[None]:
    """dbt compiles the same macros anew for each command, which takes a new process seconds."""
    compile_template = Environment.compile
    cache = FileSystemBytecodeCache(str(folder))
    compiled: dict[tuple, CodeType] = {}

    def compile_once(environment: Environment, source: Any, *rest: Any, **options: Any) -> CodeType:
        key = (type(environment), *map(type, environment.extensions.values()), source, *rest)
        key += tuple(sorted(options.items()))
        if key not in compiled:
            bucket = cache.get_bucket(environment, repr(key), None, source)
            if bucket.code is None:
                bucket.code = compile_template(environment, source, *rest, **options)
                cache.set_bucket(bucket)
            compiled[key] = bucket.code
        return compiled[key]

    with mock.patch.object(Environment, "compile", compile_once):
        yield


@contextmanager
def _no_debug_events() -> Iterator[None]:
    """dbt fills in and formats each debug event for every logger, whether it shows them or not."""
    fill, fire = BaseEvent.__init__, EventManager.fire_event

    def init(event: BaseEvent, *rest: Any, **fields: Any) -> None:
        if isinstance(event, DebugLevel) and _nobody_listens():
            fields = {}
        fill(event, *rest, **fields)

    def fire_event(manager, event, level=None, *rest, **options) -> None:
        is_debug = (level or event.level_tag()) == EventLevel.DEBUG
        if not (is_debug and _nobody_listens()):
            fire(manager, event, level, *rest, **options)

    with (
        mock.patch.object(BaseEvent, "__init__", init),
        mock.patch.object(EventManager, "fire_event", fire_event),
    ):
        yield


def _nobody_listens() -> bool:
    manager = get_event_manager()
    is_shown = any(logger.level == EventLevel.DEBUG for logger in manager.loggers)
    return not is_shown and len(manager.callbacks) <= 1


_original_to_dict = ManifestContext.to_dict


def _to_dict(context: ManifestContext) -> dict[str, Any]:
    """dbt looks up every macro by itself in five dictionaries, twice per node."""
    if isinstance(context.namespace, TestMacroNamespace):
        return _original_to_dict(context)
    names = ConfiguredContext.to_dict(context)
    for macros in reversed([*context.namespace._search_order()]):
        names.update(macros)
    return names


def _build_namespace(
    builder: MacroNamespaceBuilder, macros_by_package: dict[str, dict[str, Macro]], context: dict
) -> MacroNamespace:
    """dbt sorts every macro by itself, twice per node."""
    packages = {
        package: {
            macro.name: MacroGenerator(macro, context, builder.node, builder.thread_ctx)
            for macro in macros.values()
        }
        for package, macros in macros_by_package.items()
    }
    internal: dict[str, MacroGenerator] = {}
    for package in reversed(builder.internal_package_names_order):
        internal.update(packages.pop(package, {}))
    local = packages.get(builder.search_package, {})
    is_root = builder.search_package == builder.root_package
    root = {} if is_root else packages.get(builder.root_package, {})
    return MacroNamespace(root, local, internal, packages)


_original_build_type_tester = functools.cache(agate_helper.build_type_tester)


def _build_type_tester(text_columns: Iterable[str], *rest: Any, **options: Any) -> Any:
    """dbt makes one, with the names of all days and months, per statement."""
    return _original_build_type_tester(tuple(text_columns), *rest, **options)


def _write_json(path: str, data: dict[str, Any]) -> bool:
    """dbt writes with json.dump, which never uses the encoder in C: seconds per manifest."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(json.dumps(data, cls=JSONEncoder), encoding="utf-8")
    return True
