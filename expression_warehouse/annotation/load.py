"""Loads a bulk file: its values replace those of the earlier file, unless it is worse."""

import csv
import datetime
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from expression_warehouse.annotation import register
from expression_warehouse.annotation.bulk_file import VALUES
from expression_warehouse.annotation.catalog import (
    AnnotationFile,
    annotation_files,
    core_attributes,
    parser_hash,
)
from expression_warehouse.annotation.register import LoadedFile
from expression_warehouse.annotation.verify import WholeFile
from expression_warehouse.core.clock import utc_now
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.files import unreadable
from expression_warehouse.core.listed import counted
from expression_warehouse.core.warehouse.base import Warehouse

STAGED = pa.schema([pa.field("bulk_file", pa.string(), nullable=False), *VALUES])

# Lengths of columns of staging.annotation_value. DuckDB does not check them.
_LONGEST = {"id_type": 20, "gene_ref": 50, "attribute": 50, "item": 200, "value": 4000}


@dataclass(frozen=True)
class Candidate:
    """A whole file that may replace the loaded one.

    url, published_at  None if it was not downloaded, or the server did not say
    """

    kind: AnnotationFile
    path: Path
    whole: WholeFile
    url: str | None = None
    published_at: datetime.datetime | None = None


def is_loaded(candidate: Candidate, loaded: LoadedFile | None) -> bool:
    """Whether the same bytes, read in the same way, are loaded already."""
    return loaded is not None and (loaded.file_hash, loaded.parser_hash) == (
        candidate.whole.sha256,
        parser_hash(),
    )


def load(candidate: Candidate, loaded: LoadedFile | None, warehouse: Warehouse) -> LoadedFile:
    """Put the values of a file in place of those of its kind, and register it.

    loaded  the file whose values are loaded

    Raises UserError 54500 or 54501 if it cannot be read, 54503 if it is worse than the loaded one
    and 54504 if it changes in the meantime; what was loaded then stays.
    """
    kind = candidate.kind
    scope = {"bulk_file": kind.bulk_file}
    reading = _Reading(candidate)
    required = _required_attributes(kind, warehouse)
    with warehouse.load_staging() as staging:
        count = staging.replace_rows("annotation_value", scope, STAGED, reading.batches())
        reading.check_unchanged()
        _check_not_worse(reading, loaded, required)
        row = LoadedFile(
            bulk_file=kind.bulk_file,
            file_name=candidate.path.name,
            file_hash=candidate.whole.sha256,
            file_size=candidate.whole.size,
            version=kind.reader.version(candidate.path),
            url=candidate.url,
            parser_hash=parser_hash(),
            published_at=candidate.published_at,
            loaded_at=utc_now(),
            value_count=count,
            gene_count=len(reading.genes),
        )
        table = pa.Table.from_pylist([asdict(row)], register.SCHEMA)
        staging.replace_rows("annotation_file", scope, register.SCHEMA, iter(table.to_batches()))
    return row


class _Reading:
    """A file being read.

    genes       ids with their types, as 'HGNC HGNC:5'
    attributes  names
    """

    def __init__(self, candidate: Candidate) -> None:
        self.candidate = candidate
        self.genes: set[str] = set()
        self.attributes: set[str] = set()

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Batches of schema STAGED."""
        kind, path = self.candidate.kind, self.candidate.path
        name = pa.scalar(kind.bulk_file)
        try:
            for batch in kind.reader.parse(path):
                self._take(batch)
                yield pa.record_batch([pa.repeat(name, len(batch)), *batch.columns], schema=STAGED)
        except OSError as error:
            raise unreadable(str(path), error) from error
        except (ValueError, EOFError, csv.Error, zlib.error) as error:
            raise UserError("ANNOTATION_LINE_INVALID", str(error), file=str(path)) from error

    def check_unchanged(self) -> None:
        """Raise UserError 54504 if the file is no longer the one whose hash was taken."""
        if not self.candidate.whole.is_still(self.candidate.path):
            raise UserError(
                "ANNOTATION_FILE_DAMAGED",
                "the file changed while it was read",
                file=str(self.candidate.path),
                action="Run the command again when the file is complete",
            )

    def _take(self, batch: pa.RecordBatch) -> None:
        for column, longest in _LONGEST.items():
            length = pc.max(pc.utf8_length(batch[column])).as_py() or 0
            if length > longest:
                raise ValueError(f"a value of column {column} has {length} characters")
        ids = pc.binary_join_element_wise(batch["id_type"], batch["gene_ref"], " ")
        self.genes.update(ids.unique().to_pylist())
        self.attributes.update(batch["attribute"].unique().to_pylist())


def _required_attributes(kind: AnnotationFile, warehouse: Warehouse) -> set[str]:
    """Core attributes that a file of a kind must have: all of its source, or if the source has
    several kinds of files, those that the loaded one has."""
    core = core_attributes(kind.source)
    if sum(each.source == kind.source for each in annotation_files()) == 1:
        return core
    query = """
        select distinct attribute from {staging}.annotation_value where bulk_file = $bulk_file
    """
    loaded = warehouse.read(query, {"bulk_file": kind.bulk_file})
    return core & set(loaded["attribute"].to_pylist())


def _check_not_worse(reading: _Reading, loaded: LoadedFile | None, required: set[str]) -> None:
    """Raise UserError 54503 if the file has too few genes or lacks a required attribute."""
    kind, path = reading.candidate.kind, str(reading.candidate.path)
    if not reading.genes:
        raise UserError("ANNOTATION_FILE_WORSE", "the file has no values", file=path)
    if loaded and len(reading.genes) < kind.min_gene_share * loaded.gene_count:
        raise UserError(
            "ANNOTATION_FILE_WORSE",
            f"the file has {counted(len(reading.genes), 'gene')}; the loaded file "
            f"{loaded.file_name} has {loaded.gene_count:,}",
            file=path,
            expected=f"at least {kind.min_gene_share:.0%} of the loaded genes",
            action="Check the file; if it is right, lower min_gene_share in "
            "seeds/annotation_file.csv",
        )
    if missing := sorted(required - reading.attributes):
        raise UserError(
            "ANNOTATION_FILE_WORSE",
            f"the file has no values of {', '.join(missing)}",
            file=path,
            expected="all core attributes",
        )
