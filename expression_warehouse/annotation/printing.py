"""Prints what commands of the group show, as a table or as JSON."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from expression_warehouse.annotation.cache import Cache
from expression_warehouse.annotation.catalog import AnnotationFile
from expression_warehouse.annotation.compare import Comparison
from expression_warehouse.annotation.register import LoadedFile
from expression_warehouse.core.clock import utc_now
from expression_warehouse.core.listed import counted

Echo = Callable[[str], None]

_DIFFERENCE = (
    "difference", "source", "id_type", "gene", "attribute", "item", "value_before", "value_after",
)  # fmt: skip


def print_sources(
    files: Iterable[AnnotationFile], loaded: Mapping[str, LoadedFile], as_json: bool, echo: Echo
) -> None:
    """The catalog, and what is loaded of each kind of file."""
    rows: list[dict[str, Any]] = [
        {
            "source": file.source,
            "bulk_file": file.bulk_file,
            "organism": file.organism,
            "url": file.url,
            "is_default": file.is_default,
            "file_names": list(file.reader.patterns),
            "licence": file.licence,
            "citation": file.citation,
            "loaded": _loaded(loaded.get(file.bulk_file)),
        }
        for file in files
    ]
    if as_json:
        echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        is_loaded = row["loaded"]
        echo(f"{row['bulk_file']}  {row['source']}, {row['organism']}")
        echo(f"  licence   {row['licence']}")
        echo(f"  cite      {row['citation']}")
        remark = "" if row["is_default"] or not row["url"] else " (only if you name it)"
        echo(f"  download  {row['url'] or 'by hand'}{remark}")
        echo(f"  names     {', '.join(row['file_names'])}")
        echo(f"  loaded    {_loaded_text(is_loaded) if is_loaded else 'no'}")


def print_cache(cache: Cache, as_json: bool, echo: Echo) -> None:
    """The files in the cache."""
    now = utc_now()
    rows: list[dict[str, Any]] = [
        {
            "bulk_file": file.bulk_file,
            "name": file.name,
            "size": file.size,
            "sha256": file.sha256,
            "url": file.url,
            "asked_at": file.asked_at.isoformat(timespec="seconds"),
            "age_hours": round((now - file.asked_at).total_seconds() / 3600, 1),
        }
        for file in cache.files()
    ]
    if as_json:
        echo(json.dumps({"folder": str(cache.folder), "files": rows}, indent=2))
        return
    megabytes = sum(row["size"] for row in rows) / 1e6
    echo(f"{cache.folder}: {counted(len(rows), 'file')}, {megabytes:,.1f} MB")
    for row in rows:
        echo(
            f"{row['bulk_file']}  {row['name']}  {row['size'] / 1e6:,.1f} MB, last asked for "
            f"{row['age_hours']:,.1f} h ago, SHA-256 {row['sha256'][:16]}"
        )


def print_comparison(comparison: Comparison, as_json: bool, echo: Echo) -> bool:
    """All differences; returns whether there are none."""
    counts = comparison.counts()
    before, after = comparison.gene_counts
    if as_json:
        _print_comparison_json(comparison, counts, echo)
        return not counts
    for name, hashes in comparison.files.items():
        old, new = (sha256[:16] if sha256 else "none" for sha256 in hashes)
        echo(f"# file {name}: {old} before, {new} after")
    echo(f"# {counted(before, 'gene')} by file before, {after:,} after")
    for row in counts:
        echo(f"# {row['count']:,} {row['difference']}: {row['attribute']} of {row['source']}")
    if not counts:
        echo("# no value differs")
        return True
    echo("\t".join(_DIFFERENCE))
    for row in comparison.differences():
        echo("\t".join(_cell(row[name]) for name in _DIFFERENCE))
    return False


def _print_comparison_json(
    comparison: Comparison, counts: Sequence[dict[str, Any]], echo: Echo
) -> None:
    """One line per difference, so that all of them need not be in memory."""
    head = {
        "gene_counts": comparison.gene_counts,
        "files": comparison.files,
        "counts": counts,
    }
    echo(f'{json.dumps(head)[:-1]}, "differences": [')
    separator = ""
    for row in comparison.differences():
        echo(f"{separator}{json.dumps(row, ensure_ascii=False)}")
        separator = ","
    echo("]}")


def _loaded(row: LoadedFile | None) -> dict[str, Any] | None:
    if row is None:
        return None
    return {
        "file_name": row.file_name,
        "file_hash": row.file_hash,
        "version": row.version,
        "published_at": row.published_at and row.published_at.isoformat(timespec="seconds"),
        "loaded_at": row.loaded_at.isoformat(timespec="seconds"),
        "value_count": row.value_count,
        "gene_count": row.gene_count,
    }


def _loaded_text(row: Mapping[str, Any]) -> str:
    version = f", version {row['version']}" if row["version"] else ""
    return (
        f"{row['file_name']}{version}, {counted(row['gene_count'], 'gene')}, "
        f"{counted(row['value_count'], 'value')}, {row['loaded_at']}"
    )


def _cell(value: str | None) -> str:
    return "" if value is None else value.replace("\t", " ").replace("\n", " ")
