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
    """Take reviews into the warehouse and publish it; return whether that succeeded. An error is
    reported.

    is_forced  publish it even if its last build failed or a batch is quarantined
    """
    try:
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
    except UserError as error:
        reporter.failed(None, error)
        return False
    return True
