"""Compressed files, recognised by their first bytes whatever their name."""

import bz2
import contextlib
import gzip
import lzma
import zipfile
import zlib
from collections.abc import Callable
from typing import BinaryIO, cast

from expression_warehouse.core.listed import counted

# What the readers raise if the compressed data end early or are damaged.
DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, gzip.BadGzipFile, EOFError)

_ZIP = b"PK\x03\x04"

# First bytes → name, reader.
_READERS: dict[bytes, tuple[str, Callable[[BinaryIO], object]]] = {
    b"\x1f\x8b": ("gzip", gzip.open),
    b"BZh": ("bzip2", bz2.open),
    b"\xfd7zXZ\x00": ("xz", lzma.open),
}


class UnreadableContentError(Exception):
    """A zip that is not one compressed text; the message says what it is."""


def compression_of(file: BinaryIO) -> str:
    """The name of a file's compression; empty if it has none. The file is at its start again."""
    first = file.read(6)
    file.seek(0)
    if first.startswith(_ZIP):
        return "zip"
    return next((name for magic, (name, _) in _READERS.items() if first.startswith(magic)), "")


def decompressed(file: BinaryIO, stack: contextlib.ExitStack) -> BinaryIO:
    """The file's uncompressed bytes; `stack` closes what is opened for it.

    Raises UnreadableContentError for a zip that does not hold exactly one file.
    """
    compression = compression_of(file)
    if compression == "zip":
        return stack.enter_context(_only_member(zipfile.ZipFile(file)))
    for name, reader in _READERS.values():
        if name == compression:
            return stack.enter_context(cast(BinaryIO, reader(file)))
    return file


def _only_member(archive: zipfile.ZipFile) -> BinaryIO:
    names = [member.filename for member in archive.infolist() if not member.is_dir()]
    if "[Content_Types].xml" in names:
        raise UnreadableContentError("this is an Excel workbook, not a text file")
    if len(names) != 1:
        raise UnreadableContentError(f"this is a zip of {counted(len(names), 'file')}")
    return cast(BinaryIO, archive.open(names[0]))
