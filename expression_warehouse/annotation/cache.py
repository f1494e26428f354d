"""Downloaded files, kept by the SHA-256 of their bytes.

index/KIND.json        the newest download of a kind of file: its address, validators and hash
files/SHA256/NAME      its bytes, under the name that its publisher gives it
unfinished/KIND        a download under way, which the next command resumes
"""

import contextlib
import datetime
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import filelock
import platformdirs

from expression_warehouse.core import signals
from expression_warehouse.core.files import named_os_errors, open_atomically

_FOLDER_VARIABLE = "EXPRESSION_ANNOTATION_CACHE"


@dataclass(frozen=True)
class CachedFile:
    """A cached file, as the index records it.

    etag, last_modified  as the server sent them; None if it did not
    asked_at             when the server last confirmed that this is the newest version (UTC)
    """

    bulk_file: str
    url: str
    name: str
    sha256: str
    size: int
    etag: str | None
    last_modified: str | None
    asked_at: datetime.datetime

    def is_fresh(self, ttl_hours: float, now: datetime.datetime) -> bool:
        """Whether the server need not be asked again. A time in the future is of a clock that has
        been set back, and says nothing."""
        return self.asked_at <= now < self.asked_at + datetime.timedelta(hours=ttl_hours)


def default_folder() -> Path:
    """The folder that the environment names, else the user's cache folder on this system."""
    if configured := os.environ.get(_FOLDER_VARIABLE):
        return Path(configured).absolute()
    return platformdirs.user_cache_path("expression-warehouse", appauthor=False) / "annotation"


class Cache:
    """The cache in a folder. Writing raises UserError 54302 if the folder cannot be written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, bulk_file: str) -> CachedFile | None:
        """The newest download of a kind of file; None if there is none or its bytes are missing."""
        try:
            row = json.loads(self._index(bulk_file).read_text(encoding="utf-8"))
            found = CachedFile(
                **row | {"asked_at": datetime.datetime.fromisoformat(row["asked_at"])}
            )
        except (OSError, ValueError, TypeError, KeyError):
            return None
        path = self.path(found)
        return found if path.is_file() and path.stat().st_size == found.size else None

    def path(self, file: CachedFile) -> Path:
        """Where its bytes are."""
        return self.folder / "files" / file.sha256 / file.name

    def files(self) -> list[CachedFile]:
        """All downloads, in order of their kinds."""
        names = sorted(path.stem for path in (self.folder / "index").glob("*.json"))
        return [found for name in names if (found := self.find(name))]

    def unfinished(self, bulk_file: str) -> Path:
        """Where a download under way is written."""
        return self.folder / "unfinished" / bulk_file

    @contextlib.contextmanager
    def locked(self, tell_waiting: Callable[[str], None]) -> Iterator[None]:
        """Keep other processes from writing, for the length of the block.

        tell_waiting  takes a sentence for the user if another process is writing
        """
        with named_os_errors(self.folder):
            for name in ("index", "files", "unfinished"):
                (self.folder / name).mkdir(parents=True, exist_ok=True)
            lock = filelock.FileLock(self.folder / "lock")
            try:
                lock.acquire(blocking=False)
            except filelock.Timeout:
                tell_waiting(f"waiting for another command to finish with {self.folder}")
                while not lock.is_locked:
                    signals.sleep(0.2)
                    with contextlib.suppress(filelock.Timeout):
                        lock.acquire(blocking=False)
        try:
            yield
        finally:
            lock.release()

    def admit(self, unfinished: Path, file: CachedFile) -> Path:
        """Move a complete download into the cache as the newest of its kind; return its path.

        The file that it replaces is deleted.
        """
        path = self.path(file)
        with named_os_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            unfinished.replace(path)
            self._write_index(file)
            self._remove_unlisted()
        return path

    def renew(self, file: CachedFile, now: datetime.datetime) -> None:
        """Note that the server has just said that this is its newest."""
        self._write_index(replace(file, asked_at=now))

    def clear(self) -> int:
        """Remove all files, also downloads under way; return their size in bytes."""
        folders = [self.folder / name for name in ("index", "files", "unfinished")]
        size = sum(
            path.stat().st_size
            for folder in folders
            for path in folder.rglob("*")
            if path.is_file()
        )
        for folder in folders:
            with named_os_errors(folder):
                shutil.rmtree(folder)
        return size

    def _index(self, bulk_file: str) -> Path:
        return self.folder / "index" / f"{bulk_file}.json"

    def _write_index(self, file: CachedFile) -> None:
        row = asdict(file) | {"asked_at": file.asked_at.isoformat()}
        index = self._index(file.bulk_file)
        with named_os_errors(index), open_atomically(index) as written:
            written.write(json.dumps(row, indent=2).encode())

    def _remove_unlisted(self) -> None:
        listed = {file.sha256 for file in self.files()}
        for folder in (self.folder / "files").iterdir():
            if folder.name not in listed:
                shutil.rmtree(folder)
