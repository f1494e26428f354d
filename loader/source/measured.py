"""A file that is hashed and counted as it is read, and refused once it exceeds the limits."""

import hashlib
import io
from typing import Any, BinaryIO

from expression_warehouse.core.config import Limits
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.listed import counted

_BUFFER_SIZE = 1 << 20

# Small files may be compressed as well as they like.
_RATIO_FREE_BYTES = 100_000_000

# Longer than any value or sample name: 50 characters of up to 4 bytes are rare.
_BYTES_PER_COLUMN = 64


class MeasuredFile(io.BufferedReader):
    """The uncompressed bytes of a file.

    label        the file's path, for messages to the user
    packed_size  bytes that the file takes in its folder or zip

    Reading raises UserError 1011 beyond limits.matrix_gb, limits.compression_ratio, or, within
    `readline`, the length that limits.columns allows.
    """

    def __init__(self, file: BinaryIO, label: str, packed_size: int, limits: Limits) -> None:
        self._measured = _Measured(file, label, packed_size, limits)
        self._longest_line = limits.columns * _BYTES_PER_COLUMN
        super().__init__(self._measured, _BUFFER_SIZE)

    @property
    def sha256(self) -> str:
        """Hex, of the bytes read so far; of the whole file at its end."""
        return self._measured.digest.hexdigest()

    @property
    def size(self) -> int:
        """Bytes read so far."""
        return self._measured.size

    def readline(self, size: int | None = -1) -> bytes:
        if size is not None and size >= 0:
            return super().readline(size)
        line = super().readline(self._longest_line + 1)
        if len(line) > self._longest_line:
            raise self._measured.exceeds(
                f"a line has more than {self._longest_line:,} bytes", "limits.columns"
            )
        return line


class _Measured(io.RawIOBase):
    def __init__(self, file: BinaryIO, label: str, packed_size: int, limits: Limits) -> None:
        self._file: Any = file
        self._label = label
        self._largest = int(limits.matrix_gb * 1e9)
        self._largest_by_ratio = max(_RATIO_FREE_BYTES, limits.compression_ratio * packed_size)
        self._packed_size = packed_size
        self.digest = hashlib.sha256()
        self.size = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        count = self._file.readinto(buffer)
        self.digest.update(buffer[:count])
        self.size += count
        if self.size > self._largest:
            raise self.exceeds(f"it has more than {self._largest:,} bytes", "limits.matrix_gb")
        if self.size > self._largest_by_ratio:
            raise self.exceeds(
                f"{counted(self._packed_size, 'compressed byte')} unpack to more than "
                f"{self._largest_by_ratio:,}",
                "limits.compression_ratio",
            )
        return count

    def exceeds(self, found: str, setting: str) -> UserError:
        return UserError(
            "EXTRACTION_LIMIT_EXCEEDED",
            found,
            file=self._label,
            action=f"Check the file; if it is right, raise {setting} in pipeline.yaml",
        )
