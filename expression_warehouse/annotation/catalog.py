"""The kinds of bulk files and their attributes: seeds annotation_file and annotation_attribute, and
the modules of sources/ that read the files."""

import functools
import hashlib
import importlib
import pkgutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from expression_warehouse.annotation import sources
from expression_warehouse.annotation.bulk_file import BulkFile
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.project import read_seed


@dataclass(frozen=True)
class AnnotationFile:
    """A row of seed annotation_file, with its columns, and what reads such a file.

    url         None if it is only read from a folder
    is_default  whether it is downloaded without being named
    """

    bulk_file: str
    source: str
    organism: str
    priority: int
    url: str | None
    is_default: bool
    licence: str
    citation: str
    ttl_hours: float
    min_gene_share: float
    reader: BulkFile


@dataclass(frozen=True)
class Attribute:
    """A row of seed annotation_attribute.

    tolerance  largest relative difference that counts as equal; 0 for exact equality
    """

    source: str
    attribute: str
    is_number: bool
    is_core: bool
    tolerance: float


@functools.cache
def annotation_files() -> tuple[AnnotationFile, ...]:
    """All kinds of files, in order of priority."""
    readers = {reader.name: reader for reader in _readers()}
    rows = sorted(read_seed("annotation_file"), key=lambda row: int(row["priority"]))
    return tuple(
        AnnotationFile(
            bulk_file=row["bulk_file"],
            source=row["source"],
            organism=row["organism"],
            priority=int(row["priority"]),
            url=row["url"] or None,
            is_default=row["is_default"] == "1",
            licence=row["licence"],
            citation=row["citation"],
            ttl_hours=float(row["ttl_hours"] or 168),
            min_gene_share=float(row["min_gene_share"] or 0),
            reader=readers[row["bulk_file"]],
        )
        for row in rows
    )


@functools.cache
def attributes() -> tuple[Attribute, ...]:
    """All attributes, in the seed's order."""
    return tuple(
        Attribute(
            source=row["source"],
            attribute=row["attribute"],
            is_number=row["is_number"] == "1",
            is_core=row["is_core"] == "1",
            tolerance=float(row["tolerance"] or 0),
        )
        for row in read_seed("annotation_attribute")
    )


@functools.cache
def parser_hash() -> str:
    """SHA-256 of the modules that read bulk files, and of which attributes are numbers. After an
    upgrade that changes it, all files are read again."""
    numbers = sorted(each.attribute for each in attributes() if each.is_number)
    digest = hashlib.sha256(" ".join(numbers).encode())
    folder = Path(sources.__path__[0])
    shared = [folder.with_name(name) for name in ("compressed.py", "reading.py")]
    for path in (*shared, *sorted(folder.glob("*.py"))):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def core_attributes(source: str) -> set[str]:
    """Names of the core attributes of a source."""
    return {each.attribute for each in attributes() if each.source == source and each.is_core}


def choose(names: Sequence[str], files: Iterable[AnnotationFile]) -> tuple[AnnotationFile, ...]:
    """The files of these sources, or all without a name; a name may also be that of a kind of file.
    Upper and lower case are alike.

    Raises UserError 54030 for an unknown name.
    """
    wanted = {name.casefold() for name in names}
    known = tuple(files)
    sources_known = {file.source for file in known}
    for name in names:
        if name.casefold() not in {
            each.casefold() for file in known for each in (file.source, file.bulk_file)
        }:
            raise UserError(
                "CONFIG_INVALID",
                f"there is no source {name!r} of gene annotation",
                expected=f"one of {', '.join(sorted(sources_known))}",
                action="Correct the name; expression-warehouse annotation sources lists them",
            )
    return tuple(
        file
        for file in known
        if not wanted or {file.source.casefold(), file.bulk_file.casefold()} & wanted
    )


def _readers() -> Iterator[BulkFile]:
    for module in pkgutil.iter_modules(sources.__path__):
        found = importlib.import_module(f"{sources.__name__}.{module.name}")
        # A module that others share, such as one for tables, reads no file by itself.
        yield from getattr(found, "BULK_FILES", ())
