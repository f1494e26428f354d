"""The bulk files whose values are loaded: staging.annotation_file."""

import datetime
from dataclasses import dataclass

import pyarrow as pa

from expression_warehouse.core.warehouse.base import Warehouse

SCHEMA = pa.schema(
    {
        "bulk_file": pa.string(),
        "file_name": pa.string(),
        "file_hash": pa.string(),
        "file_size": pa.int64(),
        "version": pa.string(),
        "url": pa.string(),
        "parser_hash": pa.string(),
        "published_at": pa.timestamp("us"),
        "loaded_at": pa.timestamp("us"),
        "value_count": pa.int64(),
        "gene_count": pa.int64(),
    }
)


@dataclass(frozen=True)
class LoadedFile:
    """A row of the register, with its columns."""

    bulk_file: str
    file_name: str
    file_hash: str
    file_size: int
    version: str | None
    url: str | None
    parser_hash: str
    published_at: datetime.datetime | None
    loaded_at: datetime.datetime
    value_count: int
    gene_count: int


def loaded_files(warehouse: Warehouse) -> dict[str, LoadedFile]:
    """The register, by kind of file.

    Raises UserError 4008 if the warehouse has none.
    """
    query = f"select {', '.join(SCHEMA.names)} from {{staging}}.annotation_file"
    rows = (LoadedFile(**row) for row in warehouse.read(query).to_pylist())
    return {row.bulk_file: row for row in rows}
