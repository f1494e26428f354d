"""Writes that are whole or absent, named OS errors; and reads of parts of large files."""

import contextlib
import errno
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from expression_warehouse.core.errors import UserError

PAGE = 4096

# What a writer that was killed can leave behind.
UNFINISHED = ".unfinished-"


@contextlib.contextmanager
def named_os_errors(path: Path) -> Iterator[None]:
    """Raise UserError 54302 if the block cannot write: no permission, no space, no such folder.

    path  the file or folder that is written
    """
    try:
        yield
    except OSError as error:
        raise UserError("FOLDER_NOT_WRITABLE", os_message(error), file=str(path)) from error


def os_message(error: OSError) -> str:
    """What the operating system says, without the path."""
    return str(error.strerror or error)


@contextlib.contextmanager
def open_atomically(path: Path, *, sync: bool = True) -> Iterator[BinaryIO]:
    """A file to write, which replaces `path` in one step when the block ends: readers see the old
    file or the new one, and a process that is killed leaves the old one.

    sync  wait until the disk has the file, so that this holds for a machine that crashes as well.
          Without it, several processes may write the same path at once, as workers of a cluster
          do; the last one wins.
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


def write_once(path: Path, content: bytes) -> bool:
    """Write a read-only file, whole or not at all; return whether the name was free. A file that is
    there already stays as it is."""
    handle, name = tempfile.mkstemp(prefix=UNFINISHED, dir=path.parent)
    unfinished = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.chmod(0o444)
        try:
            # A link, unlike a rename, never replaces a file.
            path.hardlink_to(unfinished)
        except FileExistsError:
            return False
        return True
    finally:
        unfinished.unlink(missing_ok=True)


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder to fill, which gets its name in one step when the block ends. A folder that another
    process made in the meantime stays as it is.

    Raises UserError 54302 if it cannot be made.
    """
    with named_os_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=path.parent))
    try:
        yield unfinished
        with named_os_errors(path):
            unfinished.chmod(0o755)
            try:
                unfinished.rename(path)
            except OSError:
                if not path.is_dir():
                    raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


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
