"""The time, as the warehouse keeps it."""

import datetime


def utc_now() -> datetime.datetime:
    """Now, UTC, without a zone."""
    return datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
