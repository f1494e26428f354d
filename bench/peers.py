"""What else ends with the same values in a DuckDB file: `python -m bench.peers PEER SHAPE TSV`.

SHAPE is `eight`, the table of staging.expression_rows with its eight columns stored per value, or
`narrow`, what the loader stores on DuckDB: keys of line and sample per value, and the lines.

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

TABLES = """
create table expression_rows (
    study_accession_code varchar not null, batch_id varchar not null, gene_id varchar not null,
    sample_accession_code varchar not null, expression_value double, line_no bigint not null,
    file_name varchar not null, file_hash varchar not null
);
create table matrix_value (
    line_key integer not null, sample_key integer not null, expression_value double
);
create table matrix_line (line_key integer not null, gene_id varchar not null)
"""


def header(path: Path) -> list[str]:
    with path.open() as file:
        return file.readline().rstrip("\n").split("\t")


def numbered_header(path: Path) -> list[str]:
    """The header with samples as their numbers, from 1."""
    return ["Gene", *(str(number) for number in range(1, len(header(path))))]


def _read_csv(path: Path, names: list[str]) -> str:
    columns = dict.fromkeys(names, "DOUBLE") | {"Gene": "VARCHAR"}
    return (
        f"read_csv('{path}', delim='\t', header=true, quote='', auto_detect=false,"
        f" columns={columns})"
    )


def unpivot_eight(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """read_csv with explicit types and no sniffer, then UNPIVOT."""
    source = _read_csv(path, header(path))
    connection.execute(
        f"insert into expression_rows"
        f" select {CONSTANTS}, gene, sample, value, line, {FILE} from ("
        f"   unpivot (select *, row_number() over () + 1 as line from {source})"
        f'   on columns(* exclude ("Gene", line)) into name sample value value'
        f" ) as melted (gene, line, sample, value)"
    )


def unpivot_narrow(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """The same with numbers as names; reading the file twice costs less than keeping it."""
    source = _read_csv(path, numbered_header(path))
    connection.execute(
        f"insert into matrix_value select line, cast(sample as integer), value from ("
        f'   unpivot (select * exclude "Gene", row_number() over () as line from {source})'
        f"   on columns(* exclude line) into name sample value value)"
    )
    connection.execute(f'insert into matrix_line select row_number() over (), "Gene" from {source}')


def polars_eight(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """read_csv with explicit types, unpivot, and DuckDB to write it."""
    import polars

    schema = dict.fromkeys(header(path), polars.Float64) | {"Gene": polars.String}
    wide = polars.read_csv(path, separator="\t", schema=schema, row_index_name="line")
    melted = wide.unpivot(index=["Gene", "line"], variable_name="sample", value_name="value")  # noqa: F841
    connection.execute(
        f'insert into expression_rows select {CONSTANTS}, "Gene", sample, value, line + 2, {FILE}'
        f" from melted"
    )


def polars_narrow(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    import polars

    schema = dict.fromkeys(header(path), polars.Float64) | {"Gene": polars.String}
    wide = polars.read_csv(path, separator="\t", schema=schema, row_index_name="line")
    wide.columns = ["line", *numbered_header(path)]
    melted = wide.drop("Gene").unpivot(index="line", variable_name="sample", value_name="value")
    melted = melted.cast({"sample": polars.Int32})
    connection.execute("insert into matrix_value select line, sample, value from melted")
    lines = wide.select("line", "Gene")  # noqa: F841
    connection.execute("insert into matrix_line from lines")


def pandas_eight(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """read_csv, melt, and DuckDB to write it."""
    import pandas

    wide = pandas.read_csv(path, sep="\t")
    wide["line"] = range(2, len(wide) + 2)
    melted = wide.melt(id_vars=["Gene", "line"], var_name="sample", value_name="value")  # noqa: F841
    connection.execute(
        f'insert into expression_rows select {CONSTANTS}, "Gene", sample, value, line, {FILE}'
        f" from melted"
    )


def pandas_narrow(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    import pandas

    wide = pandas.read_csv(path, sep="\t", index_col=0)
    lines = pandas.DataFrame({"line": range(len(wide)), "gene": wide.index})  # noqa: F841
    wide.columns = pandas.RangeIndex(1, len(wide.columns) + 1)
    wide.index = pandas.RangeIndex(len(wide))
    melted = wide.melt(var_name="sample", value_name="value", ignore_index=False)
    melted = melted.astype({"sample": "int32"}).reset_index(names="line")
    connection.execute("insert into matrix_value select line, sample, value from melted")
    connection.execute("insert into matrix_line from lines")


PEERS = {
    "DuckDB UNPIVOT": {"eight": unpivot_eight, "narrow": unpivot_narrow},
    "polars unpivot": {"eight": polars_eight, "narrow": polars_narrow},
    "pandas melt": {"eight": pandas_eight, "narrow": pandas_narrow},
}


def main(name: str, shape: str, path: Path) -> None:
    if "polars" in name:
        import polars  # noqa: F401
    if "pandas" in name:
        import pandas  # noqa: F401
    start = time.perf_counter()
    connection = duckdb.connect(os.environ["EXPRESSION_WAREHOUSE_DB"])
    connection.execute("set preserve_insertion_order = false")
    connection.execute(TABLES)
    PEERS[name][shape](connection, path)
    connection.close()
    print(json.dumps({"seconds": time.perf_counter() - start}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
