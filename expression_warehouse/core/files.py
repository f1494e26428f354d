"""Writes that are whole or absent, and named OS errors."""

import contextlib
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from expression_warehouse.core.errors import UserError

# What a writer that was killed can leave behind.
UNFINISHED = ".unfinished-"

# No write takes longer.
_UNFINISHED_S = 24 * 60 * 60


@contextlib.contextmanager
def named_os_errors(path: Path) -> Iterator[None]:
    """Raise UserError 54302 if the block cannot write: no permission, no space, no such folder.

    path  the file or folder that is written
    """
    try:
        yield
    except (ConnectionError, TimeoutError):
        # These are errors of a network, not of a file.
        raise
    except OSError as error:
        action = _ACTIONS.get(type(error))
        raise UserError(
            "FOLDER_NOT_WRITABLE", os_message(error), file=str(path), action=action
        ) from error


# Advice for errors other than permissions and space, which the catalog's advice covers.
_ACTIONS: dict[type[OSError], str] = {
    FileExistsError: "Name a new file; this one is not overwritten",
    FileNotFoundError: "Make its folder first, or name another one",
}


def os_message(error: OSError) -> str:
    """What the operating system says, without the path."""
    return str(error.strerror or error)


def unreadable(label: str, error: OSError) -> UserError:
    """1007 for what the operating system refuses to let read."""
    return UserError("EXTRACTION_FILE_UNREADABLE", os_message(error), file=label)


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


def write_once(path: Path, content: bytes) -> bool:
    """Write a read-only file, whole or not at all; return whether the name was free. A file that is
    there already stays as it is. Who may read it is for the umask to say."""
    unfinished = _unfinished_in(path.parent)
    try:
        handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
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
    process made in the meantime stays as it is. Who may enter it is for the umask to say.

    Raises UserError 54302 if it cannot be made.
    """
    with unfinished_folder(path.parent) as unfinished:
        yield unfinished
        with named_os_errors(path):
            try:
                unfinished.rename(path)
            except OSError:
                if not path.is_dir():
                    raise


@contextlib.contextmanager
def unfinished_folder(parent: Path) -> Iterator[Path]:
    """A folder within another one for the length of the block, on the same disk.

    Raises UserError 54302 if it cannot be made.
    """
    with named_os_errors(parent):
        parent.mkdir(parents=True, exist_ok=True)
        unfinished = _unfinished_in(parent)
        unfinished.mkdir()
    try:
        yield unfinished
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def sync_folder(folder: Path) -> None:
    """Make the names of files in a folder durable; not every system can open a folder."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextlib.contextmanager
def temporary_folder(run_id: str) -> Iterator[Path]:
    """A folder for the length of the block. If the process dies, the next command removes it."""
    with tempfile.TemporaryDirectory(prefix=_temporary_prefix(run_id)) as folder:
        yield Path(folder)


def remove_temporary(run_id: str) -> None:
    """Remove the temporary folders of a run that died."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_temporary_prefix(run_id)}*"):
        shutil.rmtree(folder, ignore_errors=True)


def remove_unfinished(folder: Path) -> None:
    """Remove what writers that were killed more than a day ago left in a folder."""
    oldest = time.time() - _UNFINISHED_S
    for path in folder.glob(f"{UNFINISHED}*"):
        with contextlib.suppress(OSError):
            if path.lstat().st_mtime > oldest:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()


def _unfinished_in(folder: Path) -> Path:
    return folder / f"{UNFINISHED}{uuid.uuid4().hex}"


def _temporary_prefix(run_id: str) -> str:
    return f"expression-warehouse-{run_id}-"
