"""Files that are there whole, or not at all; and how parts of large ones are read."""

import contextlib
import errno
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

PAGE = 4096


@contextlib.contextmanager
def open_atomically(path: Path, *, sync: bool = True) -> Iterator[BinaryIO]:
    """A file to write, which takes its place in one step when the block ends: who reads it sees the
    old one or the new one, and a process that is killed leaves the old one.

    sync  wait until the disk has it, so that this holds for a machine that crashes as well. Else
          it may be one of many that other processes write at once, as workers of a cluster do that
          were given the same block: they do not meet, and the last one's is there.
    """
    name = f"{path.name}.part" if sync else f"{path.name}.{uuid.uuid4().hex[:8]}.part"
    beside = path.with_name(name)
    try:
        with beside.open("wb") as file:
            yield file
            file.flush()
            if sync:
                os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def forget(file: BinaryIO, first: int = 0, size: int = 0) -> None:
    """Have the system begin to write what the disk has not, and let go of what it has in memory of
    the rest of the file.

    first, size  of the part; 0 is all that follows
    """
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(file.fileno(), first, size, os.POSIX_FADV_DONTNEED)


def pages_of(first: int, size: int) -> tuple[int, int]:
    """The pages of a file that a part of it lies in: the first, and how many."""
    page = first // PAGE
    return page, -(-(first + size) // PAGE) - page


def new_pages(count: int) -> np.ndarray:
    """Memory of whole pages, in bytes."""
    room = np.empty((count + 1) * PAGE, np.uint8)
    start = -room.ctypes.data % PAGE
    return room[start : start + count * PAGE]


def read_pages(path: Path, page: int, into: np.ndarray) -> int:
    """Read pages of a file from the disk itself, where the system can: by way of its own memory
    takes several times as long. Returns how many bytes there were.

    page  the first
    into  of `new_pages`, whole pages
    """
    size = 0
    if flags := getattr(os, "O_DIRECT", 0):
        try:
            size = _read(path, flags, page * PAGE, into)
        except OSError as error:
            # What file systems say that cannot.
            if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
                raise
    if size < len(into):
        size += _read(path, 0, page * PAGE + size, into[size:])
    return size


def _read(path: Path, flags: int, first: int, into: np.ndarray) -> int:
    def opener(name: str, mode: int) -> int:
        return os.open(name, mode | flags)

    size = 0
    with open(path, "rb", buffering=0, opener=opener) as file:
        file.seek(first)
        # Past the system's memory nothing can be read from where no page begins.
        while size < len(into) and not (flags and size % PAGE):
            if not (more := file.readinto(into[size:])):
                break
            size += more
        if not flags:
            forget(file, first, len(into))
    return size
