"""refine.bio downloads: a folder or the zip as it came, with its metadata and its matrices."""

import contextlib
import gzip
import hashlib
import lzma
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from loader.batch import MatrixFile
from loader.errors import LoaderError

METADATA = "aggregated_metadata.json"
_READ_SIZE = 1 << 20


class Download(ABC):
    """One refine.bio download. Names of its files are relative, with forward slashes."""

    def __init__(self, path: Path, names: list[str]) -> None:
        self.path = path
        self.names = names

    @abstractmethod
    def label(self, name: str) -> str:
        """How the user knows the file."""

    @abstractmethod
    def _open(self, name: str) -> BinaryIO: ...

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        """The file's bytes, uncompressed where its name ends with .gz.

        Raises LoaderError 1006, also while the block reads, where a zip or gzip is damaged.
        """
        try:
            with contextlib.ExitStack() as stack:
                file = stack.enter_context(self._open(name))
                if name.endswith(".gz"):
                    file = stack.enter_context(gzip.open(file))
                yield file
        except (
            zipfile.BadZipFile,
            zlib.error,
            lzma.LZMAError,
            gzip.BadGzipFile,
            EOFError,
        ) as error:
            raise LoaderError(
                "EXTRACTION_CORRUPT_ARCHIVE",
                f"the compressed data end early or are damaged ({error})",
                file=self.label(name),
            ) from error
        except (NotImplementedError, RuntimeError) as error:
            if not isinstance(error, NotImplementedError) and "encrypted" not in str(error):
                raise
            raise LoaderError(
                "EXTRACTION_CORRUPT_ARCHIVE",
                f"the zip cannot be read ({error})",
                file=self.label(name),
            ) from error

    def identify(self, name: str) -> MatrixFile:
        """Read a file through once for its hash and size (of the uncompressed bytes)."""
        digest = hashlib.sha256()
        size = 0
        with self.open(name) as file:
            while block := file.read(_READ_SIZE):
                digest.update(block)
                size += len(block)
        return MatrixFile(PurePosixPath(name).name, digest.hexdigest(), size)

    def matrix(self, accession: str) -> str:
        """Name of the study's matrix.

        Raises LoaderError 1001 where the download has none.
        """
        for name in self.names:
            if PurePosixPath(name).name in (f"{accession}.tsv", f"{accession}.tsv.gz"):
                return name
        raise LoaderError(
            "EXTRACTION_FILE_NOT_FOUND",
            f"the metadata name study {accession}, but its matrix is not there",
            file=self.label(f"{accession}/{accession}.tsv"),
            action=f"Download the study again, or leave it out with --study; matrices found: "
            f"{', '.join(self.matrices()) or 'none'}",
        )

    def matrices(self) -> list[str]:
        """Accessions that the download has a matrix for: `X/X.tsv`, plain or gzipped."""
        stems = (
            PurePosixPath(name.removesuffix(".gz").removesuffix(".tsv")) for name in self.names
        )
        return [stem.name for stem in stems if stem.parent.name == stem.name]


class FolderDownload(Download):
    """An unpacked download."""

    def __init__(self, path: Path) -> None:
        files = (file for file in sorted(path.rglob("*")) if file.is_file())
        super().__init__(path, [file.relative_to(path).as_posix() for file in files])

    def label(self, name: str) -> str:
        return str(self.path / name)

    def _open(self, name: str) -> BinaryIO:
        return (self.path / name).open("rb")


class ZipDownload(Download):
    """A download as it came. Its members are read in place; nothing is unpacked to disk."""

    def __init__(self, path: Path) -> None:
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError) as error:
            raise LoaderError(
                "EXTRACTION_CORRUPT_ARCHIVE",
                f"this is not a whole zip file ({error})",
                file=str(path),
            ) from error
        members = [member.filename for member in self._zip.infolist() if not member.is_dir()]
        for member in members:
            parts = PurePosixPath(member.replace("\\", "/"))
            if parts.is_absolute() or ".." in parts.parts or ":" in parts.parts[0]:
                raise LoaderError(
                    "EXTRACTION_UNSAFE_ARCHIVE",
                    f"the zip holds the path '{member}'",
                    file=str(path),
                )
        # Some tools pack the folder, not its content.
        roots = [name.removesuffix(METADATA) for name in members if _is_metadata(name)]
        self._root = min(roots, key=len, default="")
        super().__init__(
            path, [name.removeprefix(self._root) for name in members if name.startswith(self._root)]
        )

    def label(self, name: str) -> str:
        return f"{self.path}!{name}"

    def _open(self, name: str) -> BinaryIO:
        return self._zip.open(self._root + name)


def _is_metadata(name: str) -> bool:
    return PurePosixPath(name).name == METADATA


def find_downloads(path: Path) -> list[Download]:
    """The downloads at a path: the download itself, or those in a folder of downloads.

    Raises LoaderError 1001 where the path does not exist or holds no download, and 1005 or 1006
    for a zip that is not fit to be read.
    """
    if not path.exists():
        raise LoaderError("EXTRACTION_FILE_NOT_FOUND", "no such file or folder", file=str(path))
    if path.is_file():
        if path.suffix != ".zip":
            raise LoaderError(
                "EXTRACTION_INVALID_FORMAT",
                "this is neither a folder nor a zip",
                file=str(path),
                expected="a refine.bio download: the zip, or the folder it unpacks to",
            )
        if path.stat().st_size == 0:
            raise LoaderError("EXTRACTION_FILE_NOT_FOUND", "the file is empty", file=str(path))
        download = ZipDownload(path)
        if METADATA not in download.names:
            raise _without_metadata(path)
        return [download]
    if (path / METADATA).is_file():
        return [FolderDownload(path)]
    children = [
        child
        for child in sorted(path.iterdir())
        if child.suffix == ".zip" or (child / METADATA).is_file()
    ]
    if not children:
        raise _without_metadata(path)
    return [download for child in children for download in find_downloads(child)]


def _without_metadata(path: Path) -> LoaderError:
    return LoaderError(
        "EXTRACTION_FILE_NOT_FOUND",
        f"there is no {METADATA} here",
        file=str(path),
        expected="a refine.bio download: the zip, or the folder it unpacks to",
    )
