"""Names of files: which are tables, and which study a name says."""

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from loader.source.values import NUMBER

# A table is a name and one of these, and perhaps one of _PACKED.
_MATRIX_SUFFIXES = (".tsv", ".csv", ".txt", ".gct")
_SUFFIXES = (*_MATRIX_SUFFIXES, ".tab", ".results", ".sf", ".undecorated", ".counts")
_PACKED = ("", ".gz", ".bz2", ".xz", ".zip")

# Files that describe a folder, and what STAR and RSEM write beside the counts of genes.
_NO_TABLE = re.compile(
    r"\.|.*(?:SJ\.out\.tab|\.isoforms\.results)"
    r"|(?:readme|licen[cs]e|changelog|manifest|md5|checksums|multiqc|citations)",
    re.IGNORECASE,
)

# As GSE1234, SRP1234, PRJNA1234, E-MTAB-1234.
_STUDY = re.compile(
    r"(?<![A-Z0-9])(?:GSE[0-9]+|[SED]RP[0-9]+|PRJ[A-Z]{2}[0-9]+|E-[A-Z]{4}-[0-9]+)(?![0-9])", re.I
)


def stem_of(name: str) -> str | None:
    """The name of a matrix without its suffixes; None for any other file."""
    return _without_suffix(name, _MATRIX_SUFFIXES)


def tables_in(names: Iterable[str]) -> list[str]:
    """The names of tables that lie directly in a folder."""
    return [
        name
        for name in names
        if "/" not in name
        and not _NO_TABLE.match(name)
        and (_without_suffix(name, _SUFFIXES) or re.search(r"\.gene_sums\.", name))
    ]


def has_numbers(head: bytes) -> bool:
    """Whether a text that begins with `head` is a table of numbers: at least half of its lines have
    numbers in half of their cells. Words of a sentence are no cells, but rows of R are."""
    lines = [line for line in head.decode("utf-8", "replace").splitlines()[:20] if line.strip()]
    return 0 < len(lines) <= 2 * sum(map(_is_row_of_numbers, lines))


def _is_row_of_numbers(line: str) -> bool:
    for delimiter, fewest in (("\t", 1), (",", 1), (";", 1), (" ", 3)):
        cells = [cell.strip(' "') for cell in line.split(delimiter)]
        numbers = sum(bool(NUMBER.fullmatch(cell)) for cell in cells)
        if len(cells) > 1 and numbers >= fewest and 2 * numbers >= len(cells):
            return True
    return False


def study_in(name: str) -> str | None:
    """The accession of a study in the name of a file; None if there is none."""
    match = _STUDY.search(name)
    return match[0].upper() if match else None


def _without_suffix(name: str, suffixes: Iterable[str]) -> str | None:
    file = PurePosixPath(name).name
    for suffix in (text + packed for text in suffixes for packed in _PACKED):
        if file.lower().endswith(suffix):
            return file[: -len(suffix)]
    return None
