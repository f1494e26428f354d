"""dbt's parsed project, shared by all processes of a test session.

Parsing takes dbt 5 s, and its own partial parsing starts anew for each path of a warehouse.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from dbt.adapters.factory import get_adapter
from dbt.context.query_header import generate_query_header_context
from dbt.contracts.graph.manifest import Manifest
from dbt.parser.manifest import ManifestLoader
from filelock import FileLock

# What the parser reads: environment variables that names of schemas and tables come from, and the var
# that a `ref` depends on. The other vars change only SQL, which dbt compiles later.
_ENVIRONMENT = ("EXPRESSION_SCHEMA_PREFIX", "EXPRESSION_BUILD_SLOT")
_VAR = "keep_intermediate"


@contextmanager
def shared_manifests(folder: Path) -> Iterator[None]:
    """Within the block, dbt in this process takes its manifest from `folder`, or parses the project
    and leaves the manifest there."""
    parse = ManifestLoader.get_full_manifest
    in_memory: dict[str, bytes] = {}

    def get_full_manifest(config: Any, **options: Any) -> Manifest:
        name = _file_name(config)
        if name not in in_memory:
            in_memory[name] = _read_or_parse(folder / name, lambda: parse(config, **options))
        # Each call gets a copy, since dbt changes its manifest.
        manifest = Manifest.from_msgpack(in_memory[name])
        adapter = get_adapter(config)
        adapter.set_macro_resolver(manifest)
        adapter.connections.set_query_header(
            generate_query_header_context(adapter.config, manifest)
        )
        return manifest

    with mock.patch.object(ManifestLoader, "get_full_manifest", get_full_manifest):
        yield


def _file_name(config: Any) -> str:
    """A name for all that the result of parsing depends on within one session."""
    key = (
        config.project_root,
        config.target_name,
        config.credentials.database,
        config.credentials.schema,
        *map(os.environ.get, _ENVIRONMENT),
        config.cli_vars.get(_VAR),
    )
    return hashlib.sha256(repr(key).encode()).hexdigest()


def _read_or_parse(file: Path, parse: Any) -> bytes:
    with FileLock(file.with_suffix(".lock")):
        if not file.exists():
            file.write_bytes(_without_comments(parse()))
        return file.read_bytes()


def _without_comments(manifest: Manifest) -> bytes:
    """The manifest without comments on columns: they take a quarter of a build, and no test reads
    them."""
    for node in manifest.nodes.values():
        if hasattr(node.config, "persist_docs"):
            node.config.persist_docs = {}
    return manifest.to_msgpack()
