"""refine.bio downloads: the zip or the unpacked folder, with metadata and matrices."""

import contextlib
import re
import zipfile
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from expression_warehouse.core.config import DEFAULT_LIMITS, Limits
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.files import os_message
from expression_warehouse.core.warehouse.matrix_rows import MatrixFile
from loader.source.compression import (
    DAMAGED,
    UnreadableContentError,
    compression_of,
    decompressed,
)
from loader.source.encoding import as_utf8, detect_encoding
from loader.source.measured import MeasuredFile

METADATA = "aggregated_metadata.json"
_READ_SIZE = 1 << 20

# The first bytes of a file, by which its encoding is recognised.
_HEAD_SIZE = 1 << 16

# A matrix is <accession> and one of these, and perhaps one of _PACKED.
_SUFFIXES = (".tsv", ".csv", ".txt", ".gct")
_PACKED = ("", ".gz", ".bz2", ".xz", ".zip")


class Download(ABC):
    """One refine.bio download. Names of its files are relative, with forward slashes."""

    def __init__(self, path: Path, names: list[str], limits: Limits) -> None:
        self.path = path
        self.names = names
        self.limits = limits
        self._refuse_other_metadata()

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
    def _packed_size(self, name: str) -> int:
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
                packed_size = self._packed_size(name)
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
            raise _unreadable(self.label(name), error) from error
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
        """The name of the file's compression; empty if it has none."""
        with self._open(name) as file:
            return compression_of(file)

    def encoding(self, name: str) -> str:
        """The file's encoding, as `detect_encoding` names it."""
        return detect_encoding(self.head(name))

    def head(self, name: str) -> bytes:
        """The first bytes of the file."""
        with self.open(name) as file:
            return file.read(_HEAD_SIZE)

    def identify(self, name: str) -> MatrixFile:
        """Read a file for its hash and size (of the uncompressed bytes)."""
        with self.open(name) as file:
            while file.read(_READ_SIZE):
                pass
            return MatrixFile(PurePosixPath(name).name, file.sha256, file.size)

    def matrix(self, accession: str) -> str:
        """Name of the study's matrix.

        Raises UserError 1001 if the download has none, and 1012 if it has several.
        """
        names = [name for name in self.names if _accession_of(name) == accession]
        names = [name for name in names if ".tsv" in PurePosixPath(name).suffixes] or names
        if not names:
            raise self._without_matrix(accession)
        if len(names) > 1:
            raise UserError(
                "EXTRACTION_DOWNLOAD_AMBIGUOUS",
                f"{len(names)} files can be the matrix of {accession}: {', '.join(sorted(names))}",
                file=str(self.path),
                expected="one matrix per study",
                action="Remove or rename all but one",
            )
        return names[0]

    def _without_matrix(self, accession: str) -> UserError:
        folder = f"{accession}/"
        inside = [PurePosixPath(name).name for name in self.names if folder in f"/{name}"]
        found = f"the metadata name study {accession}, but its matrix is missing"
        action = (
            "Download the study again, or leave it out with --study; matrices found: "
            f"{', '.join(self.matrices()) or 'none'}"
        )
        if any(name.endswith("quant.sf") for name in inside):
            found = f"study {accession} has files quant.sf of salmon, and no matrix"
            action = (
                "Download it without quant_sf_only, or make a matrix of them (in R: tximport) "
                f"and save it as {folder}{accession}.tsv"
            )
        elif any(name.startswith("metadata_") for name in inside):
            found = f"refine.bio made no matrix of study {accession}: its folder has metadata alone"
            action = (
                "Leave it out with --study: refine.bio could process none of its samples, and "
                "another download has no matrix either"
            )
        return UserError(
            "EXTRACTION_FILE_NOT_FOUND",
            found,
            file=self.label(f"{accession}/{accession}.tsv"),
            action=action,
        )

    def matrices(self) -> list[str]:
        """Accessions that the download has a matrix for: `X/X.tsv`, under any name of a text."""
        return [
            accession
            for name in self.names
            if (accession := _accession_of(name)) and PurePosixPath(name).parent.name == accession
        ]


def _accession_of(name: str) -> str | None:
    """The accession that the name of a matrix begins with; None for any other file."""
    file = PurePosixPath(name).name
    for suffix in (text + packed for text in _SUFFIXES for packed in _PACKED):
        if file.lower().endswith(suffix):
            return file[: -len(suffix)]
    return None


class FolderDownload(Download):
    """An unpacked download."""

    def __init__(self, path: Path, limits: Limits = DEFAULT_LIMITS) -> None:
        files = (file for file in sorted(path.rglob("*")) if file.is_file())
        super().__init__(path, [file.relative_to(path).as_posix() for file in files], limits)

    def label(self, name: str) -> str:
        return str(self.path / name)

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

    def _packed_size(self, name: str) -> int:
        return (self.path / name).stat().st_size


class ZipDownload(Download):
    """A zipped download, read without unpacking it to disk."""

    def __init__(self, path: Path, limits: Limits = DEFAULT_LIMITS) -> None:
        try:
            self._zip = zipfile.ZipFile(path)
        except zipfile.BadZipFile as error:
            raise _no_zip(path, error) from error
        members = [member.filename for member in self._zip.infolist() if not member.is_dir()]
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
        self._root = min(roots, key=len, default="")
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

    def _packed_size(self, name: str) -> int:
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


def find_downloads(path: Path) -> list[Path]:
    """The downloads at a path: the path itself, or the downloads in a folder, at any depth.

    Raises UserError 1001 if the path does not exist or has no download.
    """
    try:
        if not path.exists():
            raise UserError("EXTRACTION_FILE_NOT_FOUND", "no such file or folder", file=str(path))
        downloads = [path] if path.is_file() else list(_downloads_in(path))
    except OSError as error:
        raise _unreadable(str(path), error) from error
    if not downloads:
        raise _without_metadata(path)
    return downloads


def _downloads_in(folder: Path) -> Iterator[Path]:
    """The folder if it is a download, else those in it; names that begin with a dot are hidden."""
    if (folder / METADATA).is_file():
        yield folder
        return
    for child in sorted(folder.iterdir()):
        if child.name.startswith("."):
            continue
        if _is_zip(child):
            yield child
        elif child.is_dir() and not child.is_symlink():
            yield from _downloads_in(child)


def open_download(path: Path, limits: Limits = DEFAULT_LIMITS) -> Download:
    """Open one download, a folder or a zip.

    Raises UserError 1001 or 1002 if it is not a download, 1012 if it is two, and 1005, 1006 or 1007
    if it cannot be read.
    """
    try:
        if path.is_dir():
            return FolderDownload(path, limits)
        if not _is_zip(path):
            raise UserError(
                "EXTRACTION_INVALID_FORMAT",
                "this is neither a folder nor a zip",
                file=str(path),
                expected="a refine.bio download: the zip, or the folder it unpacks to",
                action="Give the zip from refine.bio, or the folder it unpacks to",
            )
        if path.stat().st_size == 0:
            raise UserError("EXTRACTION_FILE_NOT_FOUND", "the file is empty", file=str(path))
        download = ZipDownload(path, limits)
    except OSError as error:
        raise _unreadable(str(path), error) from error
    if METADATA not in download.names:
        raise _without_metadata(path)
    return download


def _is_zip(path: Path) -> bool:
    return path.suffix.lower() == ".zip"


def _unreadable(label: str, error: OSError) -> UserError:
    return UserError("EXTRACTION_FILE_UNREADABLE", os_message(error), file=label)


def _without_metadata(path: Path) -> UserError:
    own_metadata = next(iter(sorted(path.rglob("metadata_*.tsv"))), None) if path.is_dir() else None
    action = None
    if own_metadata:
        action = (
            f"{METADATA} is in the zip of the same download, beside the folder "
            f"{own_metadata.parent.name}: copy it to {own_metadata.parent.parent}"
        )
    return UserError(
        "EXTRACTION_FILE_NOT_FOUND",
        f"there is no {METADATA}",
        file=str(path),
        expected="a refine.bio download (the zip, or the folder it unpacks to), or a matrix of "
        "your own with its metadata, as docs/formats.md shows",
        action=action,
    )
