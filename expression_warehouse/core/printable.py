"""Names of files and columns that are not in UTF-8."""

import re

_SURROGATE = re.compile(r"[\ud800-\udfff]")


def printable(text: str) -> str:
    """A text with � in place of each byte of a name that is no UTF-8, as in a zip or a header that
    was made on Windows: no terminal, engine or JSON takes what Python has in its place."""
    return _SURROGATE.sub("�", text)
