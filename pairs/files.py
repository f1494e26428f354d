"""Files that are there whole, or not at all."""

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


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


def read_no_further(file: BinaryIO) -> None:
    """Have the system read what it is asked for, and not what follows in the file."""
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
