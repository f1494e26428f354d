"""HGNC: symbols, names and families of human genes, and their ids elsewhere."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from expression_warehouse.annotation.bulk_file import BulkFile
from expression_warehouse.annotation.reading import (
    Column,
    Layout,
    open_bytes,
    parser,
    texts,
    values_of_table,
    version_in_name,
)
from expression_warehouse.core.errors import UserError

_COLUMNS = (
    *texts(
        "hgnc_id", "symbol", "name", "locus_type", "status", "location", "entrez_id",
        "ensembl_gene_id",
    ),
    Column("gene_group", ("gene_group", "gene_family")),
    *texts("alias_symbol", "prev_symbol", "mgd_id", "uniprot_ids"),
)  # fmt: skip

# Cells with several values are lists joined by | within quotes.
_LAYOUT = Layout(columns=_COLUMNS, quote='"')

# Old releases have rows of withdrawn ids, which stand for no gene.
_QUERY = """
with approved as (
    select * from lines where status = 'Approved'
),

fact as (
    unpivot (
        select
            hgnc_id as gene_ref,
            hgnc_id,
            symbol,
            name,
            locus_type,
            location as cytoband,
            entrez_id,
            ensembl_gene_id
        from approved
    ) on columns(* exclude gene_ref) into name attribute value value
),

list as (
    unpivot (
        select
            hgnc_id as gene_ref,
            gene_group as gene_family,
            alias_symbol,
            prev_symbol as previous_symbol,
            mgd_id as mouse_orthologue,
            uniprot_ids as uniprot_accession
        from approved
    ) on columns(* exclude gene_ref) into name attribute value joined
)

select 'HGNC' as id_type, gene_ref, attribute, '' as item, value from fact
union all
select
    'HGNC' as id_type,
    gene_ref,
    attribute,
    unnest(list_distinct(string_split(joined, '|'))) as item,
    item as value
from list
"""


def _parse_json(path: Path) -> Iterator[pa.RecordBatch]:
    """The same columns as the text, as `response.docs`; read whole, it takes some 300 MB."""
    with open_bytes(path) as file:
        try:
            genes = json.load(file)["response"]["docs"]
        except ValueError as error:
            line = getattr(error, "lineno", None)
            raise UserError(
                "ANNOTATION_LINE_INVALID", str(error), file=str(path), line=line
            ) from error
        except (KeyError, TypeError) as error:
            raise _unknown_json(path, "has no list response.docs") from error
    present = set().union(*genes)
    missing = [column.name for column in _COLUMNS if not present & {*column.spellings, column.name}]
    if missing:
        raise _unknown_json(path, f"lacks the columns {', '.join(missing)}")
    table = pa.table(
        {
            column.name: pa.array([_joined(gene, column) for gene in genes], pa.string())
            for column in _COLUMNS
        }
    )
    del genes
    return values_of_table(table, _QUERY)


def _joined(gene: dict[str, Any], column: Column) -> str | None:
    """The value as the text file has it."""
    for name in column.spellings or (column.name,):
        value = gene.get(name)
        if value:
            return "|".join(value) if isinstance(value, list) else str(value)
    return None


def _unknown_json(path: Path, found: str) -> UserError:
    names = ", ".join(column.name for column in _COLUMNS)
    return UserError(
        "ANNOTATION_HEADER_UNKNOWN", found, file=str(path), expected=f"the columns {names}"
    )


_RELEASE = version_in_name(r"(\d{4}-\d{2}-\d{2})")

BULK_FILES = (
    BulkFile("hgnc_complete_set", ("hgnc_complete_set*.txt",), parser(_LAYOUT, _QUERY), _RELEASE),
    BulkFile("hgnc_complete_set_json", ("hgnc_complete_set*.json",), _parse_json, _RELEASE),
)
