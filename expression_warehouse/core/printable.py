"""Texts with names of files that are not in the encoding of the machine."""

import re

_SURROGATE = re.compile(r"[\ud800-\udfff]")


def printable(text: str) -> str:
    """A text with � in place of each byte of a file's name that is no UTF-8, as in names of a zip
    that was made on Windows: no terminal, engine or JSON takes what Python has in its place."""
    return _SURROGATE.sub("�", text)
