"""The encoding of a text file, and its bytes as UTF-8.

Only UTF-16 is transcoded. In any other encoding that is in use, the bytes of ASCII characters mean
these characters; gene ids, sample accessions and numbers are ASCII, and all other cells are not
read.
"""

import codecs
import io
from typing import BinaryIO, cast

from loader.source.iterated import IteratedFile

UTF_8 = "UTF-8"
UTF_16 = "UTF-16"
OTHER = "an encoding other than UTF-8"

_BOMS = {codecs.BOM_UTF8: UTF_8, codecs.BOM_UTF16_LE: UTF_16, codecs.BOM_UTF16_BE: UTF_16}
_CODECS = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}

_BLOCK_SIZE = 1 << 20


def detect_encoding(head: bytes) -> str:
    """UTF_8, UTF_16 or OTHER, by the byte order mark or the first bytes of a file."""
    for bom, encoding in _BOMS.items():
        if head.startswith(bom):
            return encoding
    if _codec_without_bom(head):
        return UTF_16
    try:
        # Incremental, because the head may end within a character.
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return OTHER
    return UTF_8


def as_utf8(file: BinaryIO, head: bytes) -> BinaryIO:
    """The file from its start, as UTF-8 without a byte order mark.

    head  its first bytes, which are not read from the file yet
    """
    codec = _CODECS.get(head[:2]) or _codec_without_bom(head)
    if codec is None:
        if head.startswith(codecs.BOM_UTF8):
            file.read(len(codecs.BOM_UTF8))
        return file
    if head[:2] in _CODECS:
        file.read(2)
    texts = codecs.iterdecode(iter(lambda: file.read(_BLOCK_SIZE), b""), codec, "replace")
    transcoded = IteratedFile(text.encode() for text in texts)
    return cast(BinaryIO, io.BufferedReader(transcoded, _BLOCK_SIZE))


def _codec_without_bom(head: bytes) -> str | None:
    """UTF-16 without a byte order mark: every other byte of ASCII text is zero."""
    if len(head) < 4:
        return None
    low, high = head[0:64:2], head[1:64:2]
    if not any(high) and all(low):
        return "utf-16-le"
    if not any(low) and all(high):
        return "utf-16-be"
    return None
