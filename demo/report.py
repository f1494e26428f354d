"""What the warehouse holds, and where the planted pairs stand among all pairs."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import duckdb
from rich.console import Console
from rich.table import Table

from demo.design import PLANTED_PAIRS, STUDIES
from loader.errors import LoaderError
from loader.warehouse.macros import project_macros
from loader.warehouse.profile import read_profile

TOP = 10

_STUDIES_SQL = """
select
    v.study_accession_code,
    v.study_technology,
    st.study_unit_tag,
    count(distinct v.gene_key) as genes,
    count(distinct v.sample_key) as samples,
    count(*) as fact_rows
from vw_expression_long as v
inner join dim_study as st on v.study_key = st.study_key
group by all
order by v.study_accession_code
"""

_COHORTS_SQL = """
select
    study_accession_code,
    illness_label,
    count(distinct sample_key) as samples
from vw_expression_long
group by all
"""


class PairResult(NamedTuple):
    """One row of top_pairs.sql.

    r_septic_shock, r_sepsis  Spearman correlation, averaged over studies as Fisher z
    z_difference              difference of these averages, as Fisher z
    place                     by |z_difference|, 1 for the largest
    """

    gene_id_1: str
    gene_id_2: str
    gene_name_1: str
    gene_name_2: str
    r_septic_shock: float
    r_sepsis: float
    z_difference: float
    place: int


def print_report(target: str | None = None) -> None:
    """Print studies, cohorts and planted pairs of a target (the profile's default without one).

    Raises LoaderError 4001 where the warehouse cannot be opened or is not built, 4006 where the
    target is no DuckDB file, and 54040 where none of the simulated studies is in it.
    """
    console = Console(highlight=False)
    with _open(target) as connection:
        studies = connection.execute(_STUDIES_SQL).fetchall()
        if not {study.accession for study in STUDIES} & {row[0] for row in studies}:
            raise LoaderError("STUDY_NOT_FOUND", "the warehouse has no simulated study")
        console.print(_study_table(studies))
        console.print(_cohort_table(connection.execute(_COHORTS_SQL).fetchall()))
        pairs = top_pairs(connection)
    planted = planted_among(pairs)
    console.print(_pair_table(planted))
    in_top = sum(pair.place <= TOP for pair in planted)
    console.print(
        f"The planted pairs take [bold]{in_top}[/] of the top {TOP} places "
        f"of {len(pairs):,} pairs by |difference|."
    )


def top_pairs(connection: duckdb.DuckDBPyConnection) -> list[PairResult]:
    """All pairs of the simulated studies, the largest difference first.

    connection  one that finds vw_expression_long without a schema's name
    """
    sql = Path(__file__).with_name("top_pairs.sql").read_text(encoding="utf-8")
    accessions = [study.accession for study in STUDIES]
    return [
        PairResult(*row) for row in connection.execute(sql, {"accessions": accessions}).fetchall()
    ]


def planted_among(pairs: list[PairResult]) -> list[PairResult]:
    """The planted ones of the pairs, in the same order."""
    planted = {frozenset((pair.gene_a, pair.gene_b)) for pair in PLANTED_PAIRS}
    return [pair for pair in pairs if {pair.gene_id_1, pair.gene_id_2} in planted]


@contextlib.contextmanager
def _open(target: str | None) -> Iterator[duckdb.DuckDBPyConnection]:
    profile = read_profile(target)
    if profile.credentials.type != "duckdb":
        raise LoaderError(
            "LOAD_TARGET_UNSUPPORTED",
            f"target '{profile.target_name}' is of the type {profile.credentials.type}; "
            "this report reads DuckDB",
        )
    path = Path(profile.credentials.path)
    schema_name = project_macros("duckdb").schema_name
    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            connection.execute(
                f"set search_path = '{schema_name('analytics')},{schema_name('dim')}'"
            )
            yield connection
    except duckdb.CatalogException as error:
        raise LoaderError(
            "LOAD_CONNECTION_FAILED",
            f"the warehouse is not built: {str(error).splitlines()[0]}",
            file=str(path),
            action="Run dbt build first",
        ) from error
    except duckdb.IOException as error:
        raise LoaderError(
            "LOAD_CONNECTION_FAILED", f"the warehouse cannot be opened: {error}", file=str(path)
        ) from error


def _study_table(rows: list[tuple]) -> Table:
    table = Table("study", "technology", "unit", title="Studies", title_justify="left")
    for name in ("genes", "samples", "fact rows"):
        table.add_column(name, justify="right")
    for *words, genes, samples, fact_rows in rows:
        table.add_row(*(word or "" for word in words), str(genes), str(samples), f"{fact_rows:,}")
    return table


def _cohort_table(rows: list[tuple[str, str, int]]) -> Table:
    counts = {(study, label): count for study, label, count in rows}
    labels = sorted({label for _, label in counts})
    table = Table("study", title="Samples by cohort", title_justify="left")
    for label in labels:
        table.add_column(label, justify="right")
    for study in sorted({study for study, _ in counts}):
        table.add_row(study, *(str(counts.get((study, label), 0)) for label in labels))
    return table


def _pair_table(pairs: list[PairResult]) -> Table:
    table = Table(title="Planted pairs (Spearman r; difference in Fisher z)", title_justify="left")
    for name in ("gene", "gene"):
        table.add_column(name, no_wrap=True)
    for name in ("r shock", "r sepsis", "difference", "place"):
        table.add_column(name, justify="right")
    for pair in pairs:
        table.add_row(
            pair.gene_name_1,
            pair.gene_name_2,
            f"{pair.r_septic_shock:+.2f}",
            f"{pair.r_sepsis:+.2f}",
            f"{pair.z_difference:+.2f}",
            str(pair.place),
        )
    return table
