"""The time in the form that the warehouse stores."""

import datetime


def utc_now() -> datetime.datetime:
    """Now in UTC, without a time zone."""
    return datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
