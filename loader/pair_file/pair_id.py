"""Pair ids: two gene keys with _ between."""

import re

# Python converts integers of at most some thousands of digits.
_PAIR_ID = re.compile(r"([0-9]{1,1000})_([0-9]{1,1000})")


def has_form_of_pair_id(text: str) -> bool:
    """Whether the text is two integers with _ between, equal or not."""
    return bool(_PAIR_ID.fullmatch(text))


def parse_pair_id(text: str) -> tuple[int, int] | None:
    """The two gene keys, the smaller one first; None if the text is no id of two different genes.

    '345_12'  ->  (12, 345)
    """
    match = _PAIR_ID.fullmatch(text)
    if not match:
        return None
    first, second = map(int, match.groups())
    return (min(first, second), max(first, second)) if first != second else None
