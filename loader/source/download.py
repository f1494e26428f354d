"""The files of a folder or zip."""

import contextlib
import os
import re
import zipfile
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from expression_warehouse.core.config import DEFAULT_LIMITS, Limits
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.files import unreadable
from expression_warehouse.core.printable import printable
from loader.source.compression import (
    DAMAGED,
    UnreadableContentError,
    compression_of,
    decompressed,
)
from loader.source.encoding import as_utf8, detect_encoding
from loader.source.measured import MeasuredFile

METADATA = "aggregated_metadata.json"

# How many bytes are read to recognise the encoding or format of a file.
_HEAD_SIZE = 1 << 16


class Download(ABC):
    """The files of a folder or zip. Their names are relative, with forward slashes.

    name        that of the folder or zip, as a study can have it
    unreadable  what the system says of folders in it whose files are not among the names
    """

    unreadable: Sequence[OSError] = ()

    def __init__(self, path: Path, names: list[str], limits: Limits) -> None:
        self.path = path
        self.names = names
        self.limits = limits
        name = path.resolve().name.removesuffix(".zip")
        self.name = re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("._-")
        self._refuse_other_metadata()

    @property
    def top_names(self) -> set[str]:
        """The names at the top; those of folders end with /."""
        parts = (name.partition("/") for name in self.names)
        return {first + slash for first, slash, _ in parts}

    def _refuse_other_metadata(self) -> None:
        """A download in another is either a part of it or one of its own: nobody knows."""
        inner = next((name for name in self.names if name != METADATA and _is_metadata(name)), None)
        if inner:
            raise UserError(
                "EXTRACTION_DOWNLOAD_AMBIGUOUS",
                f"there are two files of metadata: {METADATA} and {inner}",
                file=str(self.path),
                expected=f"one {METADATA} per download",
                action="Move one of the downloads out of the other",
            )

    @abstractmethod
    def label(self, name: str) -> str:
        """The file's path, for messages to the user."""

    @abstractmethod
    def _open(self, name: str) -> BinaryIO: ...

    @abstractmethod
    def packed_size(self, name: str) -> int:
        """Bytes that the file takes in the download."""

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[MeasuredFile]:
        """The file's bytes, uncompressed.

        Raises UserError 1006, also while the block reads, if a zip or gzip is damaged, and 1002
        if it is an Excel workbook or a zip of several files. Reading raises what MeasuredFile
        raises.
        """
        try:
            with contextlib.ExitStack() as stack:
                content = decompressed(stack.enter_context(self._open(name)), stack)
                packed_size = self.packed_size(name)
                yield MeasuredFile(content, self.label(name), packed_size, self.limits)
        except UnreadableContentError as error:
            raise UserError(
                "EXTRACTION_INVALID_FORMAT",
                str(error),
                file=self.label(name),
                expected="one tab-separated text, which may be compressed",
                action="Save the matrix as tab-separated text",
            ) from error
        except DAMAGED as error:
            raise UserError(
                "EXTRACTION_CORRUPT_ARCHIVE",
                f"the compressed data end early or are damaged ({error})",
                file=self.label(name),
            ) from error
        except OSError as error:
            raise unreadable(self.label(name), error) from error
        except (NotImplementedError, RuntimeError) as error:
            if not isinstance(error, NotImplementedError) and "encrypted" not in str(error):
                raise
            raise UserError(
                "EXTRACTION_CORRUPT_ARCHIVE",
                f"the zip cannot be read ({error})",
                file=self.label(name),
            ) from error

    @contextlib.contextmanager
    def open_text(self, name: str) -> Iterator[BinaryIO]:
        """The text as UTF-8 bytes, without a byte order mark. Raises what `open` raises."""
        head = self.head(name)
        with self.open(name) as file:
            yield as_utf8(file, head)

    def compression(self, name: str) -> str:
        """The name of the file's compression; empty if it has none. Raises UserError 1007."""
        try:
            with self._open(name) as file:
                return compression_of(file)
        except OSError as error:
            raise unreadable(self.label(name), error) from error

    def encoding(self, name: str) -> str:
        """The file's encoding, as `detect_encoding` names it."""
        return detect_encoding(self.head(name))

    def head(self, name: str) -> bytes:
        """The first bytes of the file."""
        with self.open(name) as file:
            return file.read(_HEAD_SIZE)


class FolderDownload(Download):
    """A folder, with the folders in it or without them."""

    def __init__(
        self, path: Path, limits: Limits = DEFAULT_LIMITS, has_folders: bool = True
    ) -> None:
        errors: list[OSError] = []
        if has_folders:
            walked = os.walk(path, onerror=errors.append)
            inside = (Path(folder, name) for folder, _, names in walked for name in names)
        else:
            inside = path.iterdir()
        files = [file for file in sorted(inside) if file.is_file()]
        self.unreadable = errors
        super().__init__(path, [file.relative_to(path).as_posix() for file in files], limits)

    def label(self, name: str) -> str:
        return printable(str(self.path / name))

    def _open(self, name: str) -> BinaryIO:
        target = (self.path / name).resolve()
        if not self.limits.follow_links and not target.is_relative_to(self.path.resolve()):
            raise UserError(
                "EXTRACTION_UNSAFE_ARCHIVE",
                f"the file is a link to {target}, which is outside the download",
                file=self.label(name),
                action="Copy the file, or set limits.follow_links in pipeline.yaml",
            )
        return target.open("rb")

    def packed_size(self, name: str) -> int:
        return (self.path / name).stat().st_size


class ZipDownload(Download):
    """A zip, read without unpacking it to disk."""

    def __init__(self, path: Path, limits: Limits = DEFAULT_LIMITS) -> None:
        try:
            self._zip = zipfile.ZipFile(path)
        except zipfile.BadZipFile as error:
            raise _no_zip(path, error) from error
        members = [
            member.filename
            for member in self._zip.infolist()
            if not member.is_dir() and not member.filename.startswith("__MACOSX/")
        ]
        for member in members:
            parts = PurePosixPath(member.replace("\\", "/"))
            if parts.is_absolute() or ".." in parts.parts or ":" in parts.parts[0]:
                raise UserError(
                    "EXTRACTION_UNSAFE_ARCHIVE",
                    f"the zip holds the path '{member}'",
                    file=str(path),
                )
        if twice := next((name for name, n in Counter(members).items() if n > 1), None):
            raise UserError(
                "EXTRACTION_DOWNLOAD_AMBIGUOUS",
                f"the zip has two entries named {twice}",
                file=str(path),
                expected="one entry per name",
                action="Download it again, or zip the unpacked folder",
            )
        # Some tools zip the folder instead of its content.
        roots = [name.removesuffix(METADATA) for name in members if _is_metadata(name)]
        self._root = min(roots, key=len, default=_common_folder(members))
        if outside := next((root for root in roots if not root.startswith(self._root)), None):
            raise UserError(
                "EXTRACTION_DOWNLOAD_AMBIGUOUS",
                f"there are two files of metadata: {self._root}{METADATA} and {outside}{METADATA}",
                file=str(path),
                expected=f"one {METADATA} per download",
                action="Zip each download by itself, or unpack them into two folders",
            )
        inside = [name.removeprefix(self._root) for name in members if name.startswith(self._root)]
        super().__init__(path, inside, limits)

    def label(self, name: str) -> str:
        return f"{self.path}!{name}"

    def _open(self, name: str) -> BinaryIO:
        return cast(BinaryIO, self._zip.open(self._root + name))

    def packed_size(self, name: str) -> int:
        return self._zip.getinfo(self._root + name).compress_size


def _no_zip(path: Path, error: zipfile.BadZipFile) -> UserError:
    with path.open("rb") as file:
        start = file.read(_HEAD_SIZE).decode("utf-8", "replace").strip()
    if not start.startswith(("<", "{")):
        return UserError(
            "EXTRACTION_CORRUPT_ARCHIVE",
            f"this is not a whole zip file ({error})",
            file=str(path),
        )
    text = " ".join(re.sub(r"<[^>]*>", " ", start).split())[:200]
    return UserError(
        "EXTRACTION_CORRUPT_ARCHIVE",
        f"this is an error page of a server in place of the zip: {text!r}",
        file=str(path),
        action="The link has probably expired: open the data set on refine.bio and get a new one",
    )


def _is_metadata(name: str) -> bool:
    return PurePosixPath(name).name == METADATA


def _common_folder(names: list[str]) -> str:
    """The folder that all names lie in, with its slash; empty if there is none."""
    folders = {name.partition("/")[0] for name in names}
    return f"{folders.pop()}/" if len(folders) == 1 and all("/" in name for name in names) else ""
