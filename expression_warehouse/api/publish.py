"""Publish a snapshot of a target, and say what it took."""

from typing import Any

from expression_warehouse.core.errors import UserError
from expression_warehouse.core.publishable import (
    check_publishable,
    warn_of_changes_not_built,
)
from expression_warehouse.core.reporting import Reporter
from expression_warehouse.core.review_journal import take_reviews
from expression_warehouse.core.snapshot import publish_reported
from expression_warehouse.core.warehouse.duckdb import file_path
from expression_warehouse.core.warehouse.profile import read_profile
from expression_warehouse.core.warehouse.target import open_warehouse


def publish_target(target: str | None, reporter: Reporter, is_forced: bool = False) -> bool:
    """The same as `publish_snapshot`, but an error is reported; return whether there was none."""
    try:
        publish_snapshot(target, reporter, is_forced)
    except UserError as error:
        reporter.failed(None, error)
        return False
    return True


def publish_snapshot(target: str | None, reporter: Reporter, is_forced: bool = False) -> None:
    """Take reviews into the warehouse and publish it.

    is_forced  publish it even if its last build failed or a batch is quarantined

    Raises UserError 4006 for a target that needs no snapshot, 4008 if the warehouse is not built,
    and 54603 if it should not be published.
    """
    credentials: Any = read_profile(target).credentials
    if credentials.type != "duckdb":
        raise UserError(
            "LOAD_TARGET_UNSUPPORTED",
            f"the target is of the type {credentials.type}, which needs no snapshot",
            expected="a target of the type duckdb",
            action="Start expression-warehouse api serve: it reads the warehouse itself",
        )
    path = file_path(credentials)
    if path.exists():
        with open_warehouse(target, reporter.waiting) as warehouse:
            take_reviews(warehouse)
            check_publishable(warehouse, is_forced)
            warn_of_changes_not_built(warehouse, reporter)
    publish_reported(path, reporter)
