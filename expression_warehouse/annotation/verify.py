"""Whether a file is whole: its bytes, not its content."""

import contextlib
import hashlib
import os
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb

from expression_warehouse.annotation.bulk_file import BulkFile
from expression_warehouse.annotation.compressed import GZIP, open_decompressed, plain_name
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.files import unreadable

_CHUNK = 1 << 20
_HEAD = 1 << 16
_FIRST = 256
# The block that ends a file in BGZF. https://samtools.github.io/hts-specs/SAMv1.pdf, section 4.1.2
_BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")


@dataclass(frozen=True)
class WholeFile:
    """
    sha256       hex, of its bytes as they are
    size         in bytes
    modified_ns  when it was last changed, as the file system says
    """

    sha256: str
    size: int
    modified_ns: int

    def is_still(self, path: Path) -> bool:
        """Whether the file has not changed since."""
        state = path.stat()
        return (state.st_size, state.st_mtime_ns) == (self.size, self.modified_ns)


def measure(path: Path) -> WholeFile:
    """Hash and size of a file. Raises UserError 1007 if it cannot be read."""
    with _named_read_errors(path), path.open("rb") as file:
        state = os.fstat(file.fileno())
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return WholeFile(digest, state.st_size, state.st_mtime_ns)


def check_whole(path: Path) -> None:
    """Read a file to its end.

    Raises UserError 54504 if it is empty, a web page, or a gzip or bgzip file that is truncated or
    damaged, and 1007 if it cannot be read.
    """
    content = _Content(path)
    with _named_read_errors(path), path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            content.take(chunk)
    content.end()


def check_header(reader: BulkFile, path: Path, name: str) -> None:
    """Parse the first lines of a file.

    name  of the file, which it need not have yet

    Raises UserError 54500 if the parser does not know the header.
    """
    with _named_read_errors(path), open_decompressed(path) as file:
        head = file.read(_HEAD)
    lines = head[: head.rfind(b"\n") + 1] or head
    with tempfile.TemporaryDirectory() as folder:
        # Under its name, which parsers may look at.
        beginning = Path(folder) / plain_name(name)
        beginning.write_bytes(lines)
        try:
            for _ in reader.parse(beginning):
                pass
        except UserError as error:
            if error.name == "ANNOTATION_HEADER_UNKNOWN":
                raise UserError(
                    error.name,
                    error.found,
                    file=str(path),
                    line=error.line,
                    expected=error.expected,
                ) from error
            # Other errors can come from the cut after the first lines.
        except (ValueError, duckdb.Error):
            pass


@contextlib.contextmanager
def _named_read_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise unreadable(str(path), error) from error


class _Content:
    """What the bytes of a file unpack to, without keeping it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._head = b""
        self._tail = b""
        self._member: zlib._Decompress | None = None
        self._is_empty = True
        self._is_gzip = False
        self._is_bgzf = False

    def take(self, chunk: bytes) -> None:
        if self._is_empty:
            self._is_empty = False
            self._is_gzip = chunk.startswith(GZIP)
            self._is_bgzf = self._is_gzip and chunk[3:4] == b"\x04" and chunk[12:14] == b"BC"
        self._tail = (self._tail + chunk[-len(_BGZF_END) :])[-len(_BGZF_END) :]
        if self._is_gzip:
            self._unpack(chunk)
        else:
            self._look_at(chunk)

    def end(self) -> None:
        """Raise UserError 54504 if the file must not end here."""
        if self._is_empty:
            raise self._damaged("the file is empty")
        if self._member is not None:
            raise self._damaged("the gzip file is truncated")
        if self._is_bgzf and self._tail != _BGZF_END:
            raise self._damaged("the bgzip file is truncated: its last block is missing")

    def _unpack(self, data: bytes) -> None:
        """Unpack members of a gzip file, which may follow one another."""
        while data:
            if self._member is None:
                # Tapes and some programs pad files with zeros.
                data = data.lstrip(b"\0")
                if not data:
                    return
                self._member = zlib.decompressobj(wbits=31)
            try:
                self._look_at(self._member.decompress(data))
            except zlib.error as error:
                raise self._damaged(f"the gzip file is damaged: {error}") from error
            data = self._member.unused_data
            if self._member.eof:
                self._member = None

    def _look_at(self, content: bytes) -> None:
        if len(self._head) < _FIRST:
            self._head += content[:_FIRST]
            # No annotation file begins so, and every page of a proxy or an outage does.
            if self._head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
                raise self._damaged("it is a web page, not the file")

    def _damaged(self, found: str) -> UserError:
        return UserError("ANNOTATION_FILE_DAMAGED", found, file=str(self._path))
