"""The file of a DuckDB warehouse as a whole: copied, compared, and replaced by another one."""

import contextlib
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import duckdb

from expression_warehouse.core import signals
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.files import named_os_errors, sync_folder
from expression_warehouse.core.listed import counted
from expression_warehouse.core.warehouse import writer_lock
from expression_warehouse.core.warehouse.block_checksums import damaged_blocks
from expression_warehouse.core.warehouse.duckdb import engine_error, open_when_free, reading

_BLOCK_SIZE = 1 << 22

_TABLES = """
    select schema_name, table_name
    from duckdb_tables()
    where database_name = ? and not internal
    order by schema_name, table_name
"""


def wal_of(path: Path) -> Path:
    """The write-ahead log of a file: what was committed since its last checkpoint."""
    return path.with_name(f"{path.name}.wal")


def copy_consistently(source: Path, target: Path, tell_waiting: Callable[[str], None]) -> None:
    """Copy a warehouse with all that is committed. Other processes can read it meanwhile, none can
    write.

    target  a new file, of the same name as the source

    Raises UserError 4001 if the source cannot be opened, 4014 if it is damaged, 54302 if there is
    no room, and 54700 if the engine fails.
    """
    copied = {}
    # A lock of a process ends as soon as the process closes the file a second time: the files stay
    # open until the connection is closed.
    with (
        contextlib.ExitStack() as files,
        reading(str(source), tell_waiting),
    ):
        for path in (source, wal_of(source)):
            if path.exists():
                with named_os_errors(path):
                    file = files.enter_context(path.open("rb"))
                copied[target.with_name(path.name)] = _copy(file, target.with_name(path.name))
    for path, sha256 in copied.items():
        if file_sha256(path) != sha256:
            raise UserError("BACKUP_FAILED", "the copy differs from the file", file=str(path))
    with named_os_errors(target):
        shutil.copymode(source, target)
    # Takes the copied write-ahead log in.
    opened = open_when_free(target, lambda: duckdb.connect(str(target)), tell_waiting)
    with contextlib.closing(opened) as connection:
        run(connection, target, "checkpoint")


def copy_file(source: Path, target: Path) -> str:
    """Copy a file; return the SHA-256 of what was read. Raises UserError 54302 if that fails."""
    with named_os_errors(source), source.open("rb") as file:
        return _copy(file, target)


def _copy(file: BinaryIO, target: Path) -> str:
    digest = hashlib.sha256()
    with named_os_errors(target), target.open("wb") as copy:
        while block := file.read(_BLOCK_SIZE):
            signals.check()
            digest.update(block)
            copy.write(block)
        copy.flush()
        os.fsync(copy.fileno())
    return digest.hexdigest()


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, hex. Raises UserError 54302 if it cannot be read."""
    with named_os_errors(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def table_digests(
    connection: duckdb.DuckDBPyConnection, path: Path, database: str
) -> dict[str, tuple[int, int]]:
    """Table → number of rows and a hash of them that does not depend on their order. Every block of
    every table is read.

    Raises UserError 4014 if a block is damaged.
    """
    digests = {}
    for schema, table in run(connection, path, _TABLES, [database]).fetchall():
        signals.check()
        name = ".".join(f'"{part}"' for part in (database, schema, table))
        query = f"select count(*), coalesce(sum(hash(t)), 0) from {name} as t"
        digests[f"{schema}.{table}"] = run(connection, path, query).fetchone()
    return digests


def run(
    connection: duckdb.DuckDBPyConnection, path: Path, statement: str, values: list | None = None
) -> duckdb.DuckDBPyConnection:
    """Run a statement. Raises UserError 4014 if the file is damaged, 54700 if the engine fails in
    another way."""
    try:
        return connection.execute(statement, values or [])
    except duckdb.Error as error:
        signals.check()
        raise engine_error(error, "BACKUP_FAILED", str(path)) from error


def require_sound(path: Path) -> dict[str, int]:
    """Read every block of a file; return the number of rows per table.

    Raises UserError 4014 if a block is damaged.
    """
    if blocks := damaged_blocks(path):
        raise UserError("LOAD_WAREHOUSE_DAMAGED", describe_blocks(blocks), file=str(path))
    with reading(str(path), print) as connection:
        digests = table_digests(connection, path, database_of(connection))
    return {table: count for table, (count, _) in digests.items()}


def describe_blocks(blocks: list[int]) -> str:
    shown = ", ".join(map(str, blocks[:10])) + (", …" if len(blocks) > 10 else "")
    return f"{counted(len(blocks), 'block')} without the right checksum: {shown}"


def database_of(connection: duckdb.DuckDBPyConnection) -> str:
    """The name of the database of a connection: the stem of its file."""
    return connection.execute("select current_database()").fetchone()[0]


@contextlib.contextmanager
def sole_access(path: Path, tell_waiting: Callable[[str], None]) -> Iterator[None]:
    """Within the block no other process has the warehouse open, and all that is committed is in its
    file. A damaged warehouse, which nobody can open, is let pass.

    Raises UserError 4010 if another process keeps it open.
    """
    with writer_lock.held(path, tell_waiting), contextlib.ExitStack() as stack:
        if path.exists():
            try:
                connection = stack.enter_context(contextlib.closing(duckdb.connect(str(path))))
                connection.execute("checkpoint")
            except duckdb.Error as error:
                found = engine_error(error, "LOAD_CONNECTION_FAILED", str(path))
                if found.name != "LOAD_WAREHOUSE_DAMAGED":
                    raise found from error
                stack.close()
        yield


def put_in_place(new: Path, path: Path) -> None:
    """Give a new file the name and the permissions of the warehouse, in one step. Within
    `sole_access`.

    Raises UserError 54302 if the file cannot be renamed.
    """
    with named_os_errors(path):
        if path.exists():
            shutil.copymode(path, new)
        new.replace(path)
        # Only a damaged warehouse still has one. DuckDB would refuse the new file with it.
        wal_of(path).unlink(missing_ok=True)
        sync_folder(path.parent)
