"""Lists of names and counts of things in sentences."""

from collections.abc import Collection


def listed(names: Collection[str], most: int = 5) -> str:
    """The first names, and how many more there are."""
    shown, more = ", ".join(list(names)[:most]), len(names) - most
    return f"{shown} and {more:,} more" if more > 0 else shown


def counted(count: float, noun: str) -> str:
    """A count and what is counted, in the plural unless it is one.

    1, 'staged row'  ->  '1 staged row'
    2000, 'study'    ->  '2,000 studies'
    """
    if count == 1:
        return f"1 {noun}"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return f"{count:,} {noun[:-1]}ies"
    return f"{count:,} {noun}{'es' if noun.endswith(('s', 'x', 'ch')) else 's'}"
