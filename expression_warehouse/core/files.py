"""Files that are complete or absent."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from expression_warehouse.core.errors import UserError


@contextlib.contextmanager
def open_atomically(path: Path) -> Iterator[BinaryIO]:
    """A file to write that replaces `path` in one step when the block ends.

    Readers see the old file or the new one. If the block raises, the process is killed or the
    machine crashes, the old file stays.
    """
    beside = path.with_name(f"{path.name}.part")
    try:
        with beside.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


@contextlib.contextmanager
def named_os_errors(path: Path) -> Iterator[None]:
    """Raise UserError 54302 if the block cannot write: no permission, no space, no such folder.

    path  the file or folder that is written
    """
    try:
        yield
    except (ConnectionError, TimeoutError):
        raise
    except OSError as error:
        raise UserError(
            "FOLDER_NOT_WRITABLE",
            str(error.strerror or error),
            file=str(path),
            action="Check the folder's permissions and the free space of the disk",
        ) from error
