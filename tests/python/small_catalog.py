"""A catalog of two small kinds of files, in place of the real one: `scores` of source LAB and `names` of
source BOOK. A line is a gene's Ensembl id, a symbol and a score."""

import contextlib
import csv
import gzip
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from unittest import mock

import pyarrow as pa

from expression_warehouse.annotation import catalog
from expression_warehouse.annotation.bulk_file import VALUES, BulkFile
from expression_warehouse.core.errors import UserError

HEADER = "gene\tsymbol\tscore"


def table(count: int, first: int = 0, score: float = 0.5, header: str = HEADER) -> bytes:
    """A file of this many genes."""
    lines = [header] + [
        f"ENSG{number:011d}\tSYM{number}\t{score + number}"
        for number in range(first, first + count)
    ]
    return ("\n".join(lines) + "\n").encode()


def _parse(path: Path) -> Iterator[pa.RecordBatch]:
    with path.open("rb") as file:
        is_gzip = file.read(2) == b"\x1f\x8b"
    with (gzip.open if is_gzip else open)(path, "rt", encoding="utf-8") as file:
        rows = csv.reader(file, delimiter="\t")
        header = next(rows, [])
        if not {"gene", "symbol"} <= set(header):
            raise UserError(
                "ANNOTATION_HEADER_UNKNOWN", f"the header is {header}", file=str(path), line=1,
                expected=HEADER,
            )  # fmt: skip
        batch: list[tuple] = []
        for number, row in enumerate(rows, start=2):
            if len(row) != len(header):
                raise UserError(
                    "ANNOTATION_LINE_INVALID", f"{len(row)} cells", file=str(path), line=number
                )
            values = dict(zip(header, row, strict=True))
            batch.append(("ENSEMBL", values["gene"], "symbol", "", values["symbol"], None))
            if "score" in values:
                score = values["score"]
                batch.append(("ENSEMBL", values["gene"], "score", "", score, float(score)))
            if len(batch) >= 1000:
                yield _batch(batch)
                batch = []
        if batch:
            yield _batch(batch)


def _batch(rows: list[tuple]) -> pa.RecordBatch:
    columns = [pa.array(column, field.type) for column, field in zip(zip(*rows), VALUES)]  # noqa: B905
    return pa.record_batch(columns, schema=VALUES)


def _version(path: Path) -> str | None:
    found = re.search(r"_v(\d+(?:\.\d+)*)", path.name)
    return found[1] if found else None


READERS = (
    BulkFile("scores", ("scores*.tsv",), _parse, _version),
    BulkFile("names", ("names*.tsv",), _parse, _version),
)


@contextlib.contextmanager
def small_catalog(
    urls: dict[str, str],
    on_request: Collection[str] = (),
    sources: Mapping[str, str] = MappingProxyType({"scores": "LAB", "names": "BOOK"}),
) -> Iterator[None]:
    """The catalog, with these addresses by kind of file; those on request are no default."""
    files = tuple(
        {
            "bulk_file": name, "source": source, "organism": "HOMO_SAPIENS",
            "priority": str(number), "url": urls.get(name, ""),
            "is_default": str(int(name not in on_request)), "licence": "CC0",
            "citation": f"{source} 2025", "ttl_hours": "168", "min_gene_share": "0.9",
        }
        for number, (name, source) in enumerate(sources.items())
    )  # fmt: skip
    attributes = tuple(
        {
            "source": source, "attribute": attribute, "is_number": is_number,
            "is_core": is_core, "tolerance": tolerance,
        }
        for source in dict.fromkeys(sources.values())
        for attribute, is_number, is_core, tolerance in (
            ("symbol", "0", "1", ""), ("score", "1", str(int(source == "LAB")), "1e-6"),
        )
    )  # fmt: skip
    seeds = {"annotation_file": files, "annotation_attribute": attributes}
    caches = (catalog.annotation_files, catalog.attributes, catalog.parser_hash)
    with (
        mock.patch.object(catalog, "_readers", lambda: iter(READERS)),
        mock.patch.object(catalog, "read_seed", seeds.__getitem__),
    ):
        for cached in caches:
            cached.cache_clear()
        try:
            yield
        finally:
            for cached in caches:
                cached.cache_clear()
