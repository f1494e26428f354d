"""Files that were downloaded by hand, in a folder."""

import fnmatch
import os
import re
from collections.abc import Sequence
from pathlib import Path

from expression_warehouse.annotation.bulk_file import BulkFile
from expression_warehouse.annotation.compressed import plain_name
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.files import unreadable
from expression_warehouse.core.listed import counted


def list_files(folder: Path) -> list[Path]:
    """All files of a folder and of its subfolders, in order of their paths.

    Raises UserError 1001 if there is no such folder, and 1007 if one cannot be read.
    """
    if not folder.is_dir():
        raise UserError(
            "EXTRACTION_FILE_NOT_FOUND",
            "there is no such folder",
            file=str(folder),
            action="Name the folder with the downloaded files",
        )

    def refuse(error: OSError) -> None:
        raise unreadable(str(error.filename), error) from error

    return sorted(
        Path(parent) / name
        for parent, _, names in os.walk(folder, onerror=refuse)
        for name in names
    )


def find_by_hand(reader: BulkFile, paths: Sequence[Path]) -> Path | None:
    """The file of a kind, by its name; of several, the one with the newest version. None if no file
    is of the kind.

    Raises UserError 54505 if the newest cannot be told.
    """
    found = [path for path in paths if _is_kind(reader, plain_name(path.name))]
    if len(found) < 2:
        return found[0] if found else None
    versions = {path: reader.version(path) for path in found}
    if all(versions.values()):
        newest = max(_sortable(version) for version in versions.values())
        found = [path for path, version in versions.items() if _sortable(version) == newest]
    if len(found) > 1:
        raise UserError(
            "ANNOTATION_FILE_AMBIGUOUS",
            f"{' and '.join(str(path) for path in found)} can both be {reader.name}"
            if len(found) == 2
            else f"{counted(len(found), 'file')} can be {reader.name}: "
            f"{', '.join(map(str, found))}",
            file=str(found[0].parent),
        )
    return found[0]


def _is_kind(reader: BulkFile, name: str) -> bool:
    return any(fnmatch.fnmatchcase(name.lower(), each.lower()) for each in reader.patterns)


def _sortable(version: str | None) -> list[tuple[int, str]]:
    """Numbers by their size: 4.10 is newer than 4.9, and v2 than v1."""
    return [
        (int(text), "") if text.isdigit() else (-1, text)
        for text in re.findall(r"\d+|[^\d.\-_]+", version or "")
    ]
