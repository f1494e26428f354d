"""Whether a warehouse or a backup is whole: its blocks, row counts, batches, keys and sums."""

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from expression_warehouse.core import signals
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.files import named_os_errors
from expression_warehouse.core.listed import counted
from expression_warehouse.core.warehouse.base import Warehouse
from expression_warehouse.core.warehouse.block_checksums import damaged_blocks
from expression_warehouse.core.warehouse.duckdb import DuckDBWarehouse, file_path, require_file
from expression_warehouse.core.warehouse.duckdb_file import describe_blocks
from expression_warehouse.core.warehouse.duckdb_target import DuckDBTarget
from expression_warehouse.core.warehouse.profile import read_profile
from loader.backup import Backup, read_backup
from loader.health import find_damaged
from loader.source.archive import archived_matrix

_BLOCK_SIZE = 1 << 20

# Key of a dimension → tables and columns that refer to it.
_REFERENCES = {
    "dim.dim_gene.gene_key": (
        "fact.fact_gene_expression.gene_key",
        "dim.dim_gene_pair.gene_a_key",
        "dim.dim_gene_pair.gene_b_key",
    ),
    "dim.dim_sample.sample_key": ("fact.fact_gene_expression.sample_key",),
    "dim.dim_study.study_key": (
        "fact.fact_gene_expression.study_key",
        "dim.study_disease_map.study_key",
    ),
    "dim.dim_gene_pair.pair_key": (
        "fact.fact_gene_pair_metrics.pair_key",
        "fact.fact_gene_pair_contrast.pair_key",
        "fact.fact_gene_pair_cohort.pair_key",
    ),
    "dim.dim_disease.disease_key": (
        "fact.fact_gene_pair_metrics.disease_key",
        "dim.study_disease_map.disease_key",
    ),
}

# Batches whose rows in the fact are not those that the register expects.
_UNRECONCILED = """
    select b.study_accession_code, b.batch_id
    from {staging}.batch as b
    left join (
        select batch_id, count(*) as row_count
        from {fact}.fact_gene_expression
        group by batch_id
    ) as f on b.batch_id = f.batch_id
    where
        b.loaded_at is not null and b.status in ('LOADED', 'PURGED')
        and coalesce(f.row_count, 0)
        <> b.gene_count * b.sample_count - b.null_count - coalesce(b.merged_count, 0)
    order by b.study_accession_code
"""
# Staged batches whose rows are not those that the register expects.
_UNSTAGED = """
    select b.study_accession_code, b.batch_id
    from {staging}.batch as b
    left join (
        select batch_id, count(*) as row_count
        from {staging}.expression_rows
        group by batch_id
    ) as r on b.batch_id = r.batch_id
    where b.status <> 'PURGED' and coalesce(r.row_count, 0) <> b.row_count
    order by b.study_accession_code
"""
_BATCHES = """
    select study_accession_code, batch_id, file_hash
    from {staging}.batch
    where status <> 'QUARANTINED'
    order by study_accession_code, batch_id
"""


@dataclass(frozen=True)
class Check:
    """One check: its name, whether it passed, and what it found in a sentence."""

    name: str
    is_passed: bool
    found: str


def verify(file: Path | None, target: str | None, archive: Path | None) -> Iterator[Check]:
    """Check a warehouse, each check as it ends.

    file     a backup's folder or a DuckDB file; without it, the target
    archive  the folder of archived studies, if there is one

    Raises UserError 4001, 4008, 4010 or 4014 if it cannot be opened, 54701 if the path is neither
    a file nor the folder of a backup.
    """
    credentials: Any = read_profile(target).credentials
    backup = read_backup(file) if file and not file.is_file() else None
    path = backup.file if backup else file
    if path is None and credentials.type == "duckdb":
        path = file_path(credentials)
    if backup:
        yield _check_manifest(backup)
    if path:
        require_file(path)
        if file and not backup:
            _require_duckdb(file)
        blocks = damaged_blocks(path)
        found = describe_blocks(blocks) if blocks else "every block has its checksum"
        yield Check("blocks", not blocks, found)

    def open_warehouse() -> Warehouse:
        signals.check()
        if path:
            return DuckDBWarehouse(DuckDBTarget(str(path.absolute())), is_probe=True)
        from expression_warehouse.core.warehouse.target import open_warehouse

        return open_warehouse(target, is_probe=True)

    damaged = find_damaged(open_warehouse)
    yield Check(
        "tables",
        not damaged,
        "; ".join(f"{each['table']}: {each['message']}" for each in damaged)
        or "every row of every table was read",
    )
    if damaged:
        return
    with open_warehouse() as warehouse:
        if backup:
            yield _check_counts(warehouse, backup)
        yield _check_archive(warehouse, archive)
        yield from _check_content(warehouse)


def _require_duckdb(file: Path) -> None:
    """Raises UserError 54701 if a file that the user names does not begin as one of DuckDB."""
    with named_os_errors(file), file.open("rb") as opened:
        head = opened.read(12)
    if not head.endswith(b"DUCK"):
        raise UserError(
            "BACKUP_INVALID",
            "this is no DuckDB file, or its first bytes are damaged",
            file=str(file),
            expected="the folder of a backup, or a DuckDB file",
        )


def print_checks(checks: Iterator[Check], as_json: bool) -> bool:
    """Print each check as it ends, as a line of text or of JSON; return whether all passed."""
    is_good = True
    for check in checks:
        is_good = is_good and check.is_passed
        if as_json:
            print(json.dumps(asdict(check)), flush=True)
        else:
            print(f"{'passed' if check.is_passed else 'FAILED'} {check.name}: {check.found}")
    return is_good


def _check_manifest(backup: Backup) -> Check:
    try:
        backup.require_unchanged()
    except UserError as error:
        return Check("manifest", False, f"{error.found}; expected {error.expected}")
    return Check("manifest", True, f"{backup.manifest.bytes:,} bytes have their SHA-256")


def _check_counts(warehouse: Warehouse, backup: Backup) -> Check:
    differing = []
    for table, expected in backup.manifest.tables.items():
        schema, name = table.split(".", 1)
        # Names of the manifest are those of the schemas as they stand, with any prefix.
        query = f'select count(*) as row_count from "{schema}"."{name}"'
        (count,) = warehouse.read(query)["row_count"].to_pylist()
        if count != expected:
            differing.append(f"{table} has {counted(count, 'row')} instead of {expected:,}")
    found = "; ".join(differing) or f"all rows of {counted(len(backup.manifest.tables), 'table')}"
    return Check("row counts", not differing, found)


def _check_archive(warehouse: Warehouse, archive: Path | None) -> Check:
    """The archived copy of each batch has the hash of the register."""
    same = absent = 0
    differing = []
    for batch in warehouse.read(_BATCHES).to_pylist():
        signals.check()
        accession, batch_id = batch["study_accession_code"], batch["batch_id"]
        file = archived_matrix(archive, accession, batch_id) if archive else None
        if file is None or not file.exists():
            absent += 1
        elif archived_sha256(file) == batch["file_hash"]:
            same += 1
        else:
            differing.append(str(file))
    found = f"as in the archive, by hash: {counted(same, 'batch')}; not archived: {absent}"
    if differing:
        found += f"; damaged: {', '.join(differing)}"
    return Check("archive", not differing, found)


def archived_sha256(file: Path) -> str | None:
    """SHA-256 of an archived matrix, uncompressed; None if it cannot be read."""
    digest = hashlib.sha256()
    try:
        with gzip.open(file) as matrix:
            while block := matrix.read(_BLOCK_SIZE):
                signals.check()
                digest.update(block)
    except (OSError, EOFError, zlib.error):
        return None
    return digest.hexdigest()


def _check_content(warehouse: Warehouse) -> Iterator[Check]:
    try:
        yield Check("keys", *_outcome(_broken_keys(warehouse), "every key refers to one row"))
        unreconciled = [
            f"{row['study_accession_code']} {row['batch_id']:.12}"
            for query in (_UNSTAGED, _UNRECONCILED)
            for row in warehouse.read(query).to_pylist()
        ]
        yield Check(
            "reconciliation",
            *_outcome(unreconciled, "every batch has genes × samples − missing rows"),
        )
    except UserError as error:
        if error.name != "LOAD_WAREHOUSE_NOT_BUILT":
            raise
        yield Check("keys", True, "the warehouse is not built yet")


def _outcome(broken: list[str], good: str) -> tuple[bool, str]:
    return not broken, "; ".join(broken) or good


def _broken_keys(warehouse: Warehouse) -> list[str]:
    broken = []
    for key, references in _REFERENCES.items():
        schema, dimension, column = key.split(".")
        parent = f"{{{schema}}}.{dimension}"
        repeated = _count(
            warehouse,
            f"select count(*) - count(distinct {column}) as broken_count from {parent}",
        )
        if repeated:
            broken.append(f"{key} is not unique in {counted(repeated, 'row')}")
        for reference in references:
            signals.check()
            child_schema, table, child = reference.split(".")
            orphans = _count(
                warehouse,
                f"select count(*) as broken_count from (select distinct {child} as child_key"
                f" from {{{child_schema}}}.{table}) as c left join {parent} as p"
                f" on c.child_key = p.{column}"
                f" where c.child_key is not null and p.{column} is null",
            )
            if orphans:
                broken.append(f"not in {dimension}: {counted(orphans, 'key')} of {reference}")
    return broken


def _count(warehouse: Warehouse, query: str) -> int:
    return warehouse.read(query)["broken_count"].to_pylist()[0]
