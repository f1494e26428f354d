"""Publish a snapshot of a target, and say what it took."""

from typing import Any

from expression_warehouse.api.snapshot import publish
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.reporting import Reporter
from expression_warehouse.core.warehouse.duckdb import file_path
from expression_warehouse.core.warehouse.profile import read_profile


def publish_target(target: str | None, reporter: Reporter) -> bool:
    """Publish; return whether that succeeded. An error is reported."""
    try:
        credentials: Any = read_profile(target).credentials
        if credentials.type != "duckdb":
            raise UserError(
                "LOAD_TARGET_UNSUPPORTED",
                f"the target is of the type {credentials.type}, which needs no snapshot",
                expected="a target of the type duckdb",
                action="Start expression-warehouse api serve: it reads the warehouse itself",
            )
        snapshot, seconds = publish(file_path(credentials), reporter.waiting)
    except UserError as error:
        reporter.failed(None, error)
        return False
    size = snapshot.path.stat().st_size
    reporter.step(
        None,
        "snapshot_published",
        version=snapshot.version,
        megabytes=round(size / 1e6, 1),
        seconds=round(seconds, 3),
    )
    return True
