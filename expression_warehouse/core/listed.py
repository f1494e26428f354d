"""Lists of names in sentences."""

from collections.abc import Collection


def listed(names: Collection[str], most: int = 5) -> str:
    """The first names, and how many more there are."""
    shown, more = ", ".join(list(names)[:most]), len(names) - most
    return f"{shown} and {more:,} more" if more > 0 else shown
