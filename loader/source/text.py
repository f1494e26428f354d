"""The text of a matrix: a file of a download, the table within one, or columns of several."""

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import BinaryIO

from expression_warehouse.core.config import Limits
from expression_warehouse.core.printable import printable
from expression_warehouse.core.warehouse.matrix_rows import MatrixFile
from loader.source.download import Download
from loader.source.encoding import UTF_8, as_utf8
from loader.source.measured import MeasuredFile

_READ_SIZE = 1 << 20


class MatrixText(ABC):
    """What `read_matrix` reads.

    label        how the user knows the file
    name         the name of the file for the register
    limits       of what is read
    packed_size  bytes that the files take in their folders or zips
    first_line   the number of the first line of the text within its file
    compression  as `compression_of`, empty if there is none
    encoding     as `detect_encoding`
    unit         the unit of the values, if the format of the files says it
    """

    label: str
    name: str
    limits: Limits
    packed_size: int
    first_line = 1
    compression = ""
    encoding = UTF_8
    unit: str | None = None

    @abstractmethod
    def open(self) -> contextlib.AbstractContextManager[MeasuredFile]:
        """The uncompressed bytes that identify the matrix and that the archive keeps."""

    @abstractmethod
    def as_text(self, file: MeasuredFile) -> BinaryIO:
        """The text of an opened file from `first_line`, as UTF-8 without a byte order mark."""

    @contextlib.contextmanager
    def open_text(self) -> Iterator[BinaryIO]:
        """The text from `first_line`. Raises what `open` and `as_text` raise."""
        with self.open() as file:
            yield self.as_text(file)

    def identify(self) -> MatrixFile:
        """Read the bytes for their hash and size."""
        with self.open() as file:
            while file.read(_READ_SIZE):
                pass
            return MatrixFile(self.name, file.sha256, file.size)


class FileText(MatrixText):
    """A whole file. Raises what Download.open raises."""

    def __init__(self, download: Download, name: str) -> None:
        self.label = download.label(name)
        self.name = printable(PurePosixPath(name).name)
        self.limits = download.limits
        # First what names the fault of a damaged file.
        self.encoding = download.encoding(name)
        self.compression = download.compression(name)
        self.packed_size = download.packed_size(name)
        self._download = download
        self._name = name

    def open(self) -> contextlib.AbstractContextManager[MeasuredFile]:
        return self._download.open(self._name)

    def as_text(self, file: MeasuredFile) -> BinaryIO:
        return as_utf8(file, self._download.head(self._name))
