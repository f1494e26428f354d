"""Files that are compressed with gzip or bgzip, as their first bytes say, whatever their names."""

import gzip
from pathlib import Path
from typing import BinaryIO, cast

GZIP = b"\x1f\x8b"
_SUFFIXES = (".gz", ".bgz")


def is_gzip(path: Path) -> bool:
    """Whether the file is a gzip or bgzip file."""
    with path.open("rb") as file:
        return file.read(len(GZIP)) == GZIP


def open_decompressed(path: Path) -> BinaryIO:
    """The file's bytes, decompressed if it is compressed. Reading raises what gzip raises."""
    return cast(BinaryIO, gzip.open(path)) if is_gzip(path) else path.open("rb")


def plain_name(name: str) -> str:
    """A file's name without .gz or .bgz."""
    for suffix in _SUFFIXES:
        name = name.removesuffix(suffix)
    return name
