"""The core values of the loaded annotation as a JSON file, which `compare` reads.

{"metadata": {"created_at": …, "files": {"gtex_median_tpm": {"file_name": …, "file_hash": …}}},
 "genes": [
 {"source": "GTEX", "file": "gtex_median_tpm", "id_type": "ENSEMBL", "gene": "ENSG00000141510",
  "values": {"median_tpm": {"Lung": 12.5, "Liver": 3.5}}}
 ]}

`values` has an object per attribute: item → value, with the item '' if a gene has one value. There
is one line per gene and kind of file.
"""

import itertools
import json
import math
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from expression_warehouse.annotation.catalog import annotation_files, core_attributes
from expression_warehouse.annotation.register import LoadedFile, loaded_files
from expression_warehouse.core.clock import utc_now
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.files import named_os_errors, open_atomically
from expression_warehouse.core.process_log import OpenWarehouse, Step, recorded_step
from expression_warehouse.core.reporting import Reporter, Stopwatch
from expression_warehouse.core.warehouse.base import Warehouse

FIRST_LINE_OF_GENES = '"genes": [\n'

_VALUES = """
    select id_type, gene_ref, attribute, item, value, number
    from {staging}.annotation_value
    where bulk_file = $bulk_file
    order by id_type, gene_ref, attribute, item
"""


def snapshot(path: Path, open_warehouse: OpenWarehouse, reporter: Reporter) -> bool:
    """Write the file; return whether that succeeded."""
    watch = Stopwatch()
    step = Step("annotation snapshot", {"file": str(path)})
    try:
        with (
            recorded_step(step, open_warehouse, reporter),
            open_warehouse(reporter.waiting) as warehouse,
            named_os_errors(path),
            open_atomically(path) as file,
        ):
            loaded = loaded_files(warehouse)
            step.rows_written = _write(file, loaded, warehouse)
    except UserError as error:
        reporter.failed(None, error)
        return False
    reporter.step(
        None,
        "annotation_snapshot",
        file=str(path),
        gene_count=step.rows_written,
        file_count=len(loaded),
        seconds=watch.seconds,
    )
    return True


def _write(file: BinaryIO, loaded: dict[str, LoadedFile], warehouse: Warehouse) -> int:
    """Write one line per gene and kind of file; return how many."""
    metadata = {
        "created_at": utc_now().isoformat(),
        "files": {name: asdict(row) for name, row in sorted(loaded.items())},
    }
    file.write(f'{{"metadata": {json.dumps(metadata, default=str)},\n'.encode())
    file.write(FIRST_LINE_OF_GENES.encode())
    count = 0
    for record in _records(warehouse, loaded):
        separator = ",\n" if count else ""
        file.write(f"{separator}{json.dumps(record, ensure_ascii=False)}".encode())
        count += 1
    file.write(b"\n]}\n")
    return count


def _records(warehouse: Warehouse, loaded: dict[str, LoadedFile]) -> Iterator[dict[str, Any]]:
    for kind in annotation_files():
        if kind.bulk_file not in loaded:
            continue
        core = pa.array(sorted(core_attributes(kind.source)), pa.string())
        with warehouse.stream(_VALUES, {"bulk_file": kind.bulk_file}) as batches:
            rows = itertools.chain.from_iterable(
                zip(*(column.to_pylist() for column in kept.columns), strict=True)
                for batch in batches
                if (kept := batch.filter(pc.is_in(batch["attribute"], core))).num_rows
            )
            for (id_type, gene), of_gene in itertools.groupby(rows, lambda row: row[:2]):
                yield {
                    "source": kind.source,
                    "file": kind.bulk_file,
                    "id_type": id_type,
                    "gene": gene,
                    "values": _values(of_gene),
                }


def _values(rows: Iterator[tuple]) -> dict[str, dict[str, Any]]:
    values: dict[str, dict[str, Any]] = {}
    for _, _, attribute, item, value, number in rows:
        is_number = number is not None and math.isfinite(number)
        values.setdefault(attribute, {})[item] = number if is_number else value
    return values
