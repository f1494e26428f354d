"""Leaves out of `dbt build` what it would only repeat.

If nothing that a build reads has changed since the last one, and no test has failed, it ends at
once. Else, if the project is the same, views and seeds are as they would be made again, and only
the rest is built, with what is missing from the warehouse. A build with --select (other than
`study:`), --exclude, --selector or --full-refresh does all it is told to.

macros/operations/last_build.sql keeps and compares the state of the warehouse. dbt imports each
installed module whose name starts with `dbt_` and that has a list `plugins`.
"""

import datetime
import functools
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dbt.adapters.factory import get_adapter
from dbt.artifacts.schemas.run import RunExecutionResult
from dbt.contracts.graph.manifest import Manifest
from dbt.graph import GraphQueue, UniqueId
from dbt.node_types import NodeType
from dbt.plugins.manager import dbtPlugin
from dbt.task.build import BuildTask
from dbt.version import __version__
from dbt_common.context import get_invocation_context
from dbt_common.events.functions import fire_event
from dbt_common.events.types import Note

_HASH = "EXPRESSION_PROJECT_HASH"
_SELECTION = "macro.expression_warehouse.selected_studies"


class NothingNewError(Exception):
    """Ends a build whose nodes would all be built as they are."""


def ends_early(run: Callable[[BuildTask], Any]) -> Callable[[BuildTask], Any]:
    """Wrap BuildTask.run, which otherwise warns that no node is selected."""

    @functools.wraps(run)
    def run_if_new(task: BuildTask) -> Any:
        try:
            return run(task)
        except NothingNewError as reason:
            fire_event(Note(msg=str(reason)))
            now = datetime.datetime.now(datetime.UTC)
            return RunExecutionResult(results=[], elapsed_time=0.0, args={}, generated_at=now)

    return run_if_new


def without_repetition(get_queue: Callable[[BuildTask], GraphQueue]) -> Callable:
    """Wrap BuildTask.get_graph_queue."""

    @functools.wraps(get_queue)
    def get_graph_queue(task: BuildTask) -> GraphQueue:
        queue = get_queue(task)
        if not is_complete(task.args):
            return queue
        manifest = task.manifest
        assert manifest and task.graph
        selected = queue.get_selected_nodes()
        project = project_hash(task, manifest, selected)
        # The environment that Jinja's env_var reads: dbt copies it at the start.
        get_invocation_context().env[_HASH] = project  # type: ignore[index]
        adapter = get_adapter(task.config)
        with adapter.connection_named("master"):
            last: Any = adapter.execute_macro(
                "repeated_by_build", macro_resolver=manifest, kwargs={"project_hash": project}
            )
            if not last:
                return queue
            missing = without_relation(adapter, manifest, selected)
        if last["repeats"] == "all" and not missing:
            raise NothingNewError(
                f"Nothing is new since the build that ended at {last['ended_at']} UTC. What it"
                f" found: select * from meta.vw_finding where run_id = '{last['run_id']}'. To build"
                " and test all the same: dbt build --selector without_unit_tests"
            )
        repeats = repeated(manifest, last["has_same_selection"])
        kept = {node for node in selected if node not in repeats or node in missing}
        left_out = len(selected) - len(kept)
        if missing:
            nodes = [manifest.nodes[key] for key in missing]
            names = sorted(f"{node.schema}.{node.alias}" for node in nodes)
            fire_event(Note(msg=f"Missing from the warehouse, and made again: {', '.join(names)}"))
        fire_event(Note(msg=f"{left_out} views, seeds and tests of seeds are as they were"))
        return GraphQueue(task.graph.get_subset_graph(kept).graph, manifest, kept)

    return get_graph_queue


def is_complete(args: Any) -> bool:
    """Whether the command builds all that there is, perhaps for some studies only."""
    criteria = " ".join(args.select or ()).split()
    if not all(criterion.startswith("study:") and "," not in criterion for criterion in criteria):
        return False
    narrowed = args.exclude or args.selector or args.empty or args.sample
    return not (narrowed or args.full_refresh or args.defer)


def project_hash(task: BuildTask, manifest: Manifest, selected: set[UniqueId]) -> str:
    """SHA-256 of all that the SQL of the nodes is made from, of the nodes selected, and of what
    makes a test fail or keep the rows that it finds."""
    config, args = task.config, task.args
    parts = {
        "files": sorted((name, file.checksum.checksum) for name, file in manifest.files.items()),
        "configuration": Path(config.project_root, "dbt_project.yml").read_text(encoding="utf-8"),
        "vars": config.cli_vars,
        "environment": [manifest.env_vars, config.project_env_vars],
        "target": [config.target_name, config.credentials.database, config.credentials.schema],
        # Exposures are not built, and `study:` does not select them.
        "nodes": sorted(selected - manifest.exposures.keys()),
        "tests": [args.warn_error, args.warn_error_options, args.store_failures],
        "dbt": __version__,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def repeated(manifest: Manifest, is_same_selection: bool) -> set[str]:
    """Views and seeds that the same project would make as they are, and tests of nothing else.

    is_same_selection  whether the last build was of the same studies, which the views of rules name
    """
    seeds = {key for key, node in manifest.nodes.items() if node.resource_type == NodeType.Seed}
    views = {
        key
        for key, node in manifest.nodes.items()
        if node.resource_type == NodeType.Model
        and node.config.materialized == "view"
        and (is_same_selection or not depends_on_macro(manifest, node, _SELECTION))
    }
    tests = {
        key
        for key, node in manifest.nodes.items()
        if node.resource_type == NodeType.Test and set(node.depends_on.nodes) <= seeds
    }
    return seeds | views | tests


def without_relation(adapter: Any, manifest: Manifest, selected: set[UniqueId]) -> set[UniqueId]:
    """Models and seeds of the selected nodes whose table or view was dropped or renamed."""
    relations: dict[tuple[str | None, str], set[str]] = {}
    missing: set[UniqueId] = set()
    for key in selected:
        node = manifest.nodes.get(key)
        if node is None or node.resource_type not in (NodeType.Model, NodeType.Seed):
            continue
        schema = (node.database, node.schema)
        if schema not in relations:
            found = adapter.list_relations(*schema)
            relations[schema] = {relation.identifier.lower() for relation in found}
        if node.alias.lower() not in relations[schema]:
            missing.add(key)
    return missing


def depends_on_macro(manifest: Manifest, node: Any, wanted: str) -> bool:
    """Whether the SQL of a node calls a macro, itself or through other macros."""
    seen: set[str] = set()
    waiting = list(node.depends_on.macros)
    while waiting:
        macro = waiting.pop()
        if macro == wanted:
            return True
        if macro not in seen and macro in manifest.macros:
            seen.add(macro)
            waiting += manifest.macros[macro].depends_on.macros
    return False


class CurrentBuild(dbtPlugin):
    """Wraps the two methods, once per process."""

    def initialize(self) -> None:
        if not hasattr(BuildTask.run, "__wrapped__"):
            BuildTask.run = ends_early(BuildTask.run)  # type: ignore[assignment,method-assign]
            BuildTask.get_graph_queue = without_repetition(  # type: ignore[method-assign]
                BuildTask.get_graph_queue
            )


plugins = [CurrentBuild]
