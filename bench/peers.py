"""What else ends with the same typed long table in a DuckDB file: `python -m bench.peers NAME TSV`.

Each peer gets its imports and the file's header for free; its time runs until the file is closed.
None of them hashes the file, checks it, or keeps a register.
"""

import json
import os
import sys
import time
from pathlib import Path

import duckdb

ACCESSION, BATCH, HASH = "GSE9001", "a" * 64, "b" * 64
CONSTANTS = f"'{ACCESSION}', '{BATCH}'"
FILE = f"'{ACCESSION}.tsv', '{HASH}'"

TABLE = """
create table expression_rows (
    study_accession_code varchar not null, batch_id varchar not null, gene_id varchar not null,
    sample_accession_code varchar not null, expression_value double, line_no bigint not null,
    file_name varchar not null, file_hash varchar not null
)
"""


def header(path: Path) -> list[str]:
    with path.open() as file:
        return file.readline().rstrip("\n").split("\t")


def _read_csv(path: Path) -> str:
    columns = dict.fromkeys(header(path), "DOUBLE") | {"Gene": "VARCHAR"}
    return (
        f"read_csv('{path}', delim='\t', header=true, quote='', auto_detect=false,"
        f" columns={columns})"
    )


def duckdb_unpivot(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """read_csv with explicit types and no sniffer, then UNPIVOT."""
    connection.execute(
        f"insert into expression_rows"
        f" select {CONSTANTS}, gene, sample, value, line, {FILE} from ("
        f"   unpivot (select *, row_number() over () + 1 as line from {_read_csv(path)})"
        f'   on columns(* exclude ("Gene", line)) into name sample value value'
        f" ) as melted (gene, line, sample, value)"
    )


def duckdb_unnest(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Lines as text, split and unnested: the fastest SQL that we know of for this table."""
    samples = header(path)[1:]
    connection.execute(
        f"create temp table lines as select line, row_number() over () + 1 as line_no from"
        f" read_csv('{path}', delim='\x01', header=false, skip=1, quote='', escape='',"
        f" auto_detect=false, columns={{'line': 'VARCHAR'}}, max_line_size=100000000)"
    )
    connection.execute(
        f"insert into expression_rows"
        f" select {CONSTANTS}, gene, sample, value, line_no, {FILE} from ("
        f"   select line[:instr(line, '\t') - 1] as gene, line_no, unnest({samples}) as sample,"
        f"   unnest(string_split(line, '\t')[2:]::double[]) as value from lines)"
    )


def duckdb_three_columns(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Less than the same table: gene, sample and value alone."""
    connection.execute(
        f"create table three as from (unpivot (from {_read_csv(path)})"
        f' on columns(* exclude "Gene") into name sample value value)'
    )


def polars_unpivot(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """read_csv with explicit types, unpivot, and DuckDB to write it."""
    import polars

    schema = dict.fromkeys(header(path), polars.Float64) | {"Gene": polars.String}
    wide = polars.read_csv(path, separator="\t", schema=schema, row_index_name="line")
    melted = wide.unpivot(index=["Gene", "line"], variable_name="sample", value_name="value")  # noqa: F841
    connection.execute(
        f'insert into expression_rows select {CONSTANTS}, "Gene", sample, value, line + 2, {FILE}'
        f" from melted"
    )


def pandas_melt(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """read_csv, melt, and DuckDB to write it."""
    import pandas

    wide = pandas.read_csv(path, sep="\t")
    wide["line"] = range(2, len(wide) + 2)
    melted = wide.melt(id_vars=["Gene", "line"], var_name="sample", value_name="value")  # noqa: F841
    connection.execute(
        f'insert into expression_rows select {CONSTANTS}, "Gene", sample, value, line, {FILE}'
        f" from melted"
    )


PEERS = {
    "DuckDB SQL: UNPIVOT": duckdb_unpivot,
    "DuckDB SQL: split and unnest": duckdb_unnest,
    "polars unpivot": polars_unpivot,
    "pandas melt": pandas_melt,
    "(DuckDB SQL: 3 columns only)": duckdb_three_columns,
}


def main(name: str, path: Path) -> None:
    if "polars" in name:
        import polars  # noqa: F401
    if "pandas" in name:
        import pandas  # noqa: F401
    start = time.perf_counter()
    connection = duckdb.connect(os.environ["EXPRESSION_WAREHOUSE_DB"])
    connection.execute("set preserve_insertion_order = false")
    connection.execute(TABLE)
    PEERS[name](connection, path)
    connection.close()
    print(json.dumps({"seconds": time.perf_counter() - start}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
