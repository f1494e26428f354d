"""What the warehouse holds, which planted pairs its meta-analysis finds, and what to do next."""

import contextlib
from collections.abc import Iterator, Mapping

import duckdb
from rich.console import Console
from rich.table import Table

from demo.closing import closing_lines
from demo.design import STUDIES
from demo.pairs import FALSE_DISCOVERY_RATE, TESTS, PairResult, discovery, ranked_pairs
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.warehouse.duckdb import file_path
from expression_warehouse.core.warehouse.macros import project_macros
from expression_warehouse.core.warehouse.profile import read_profile

# Width of the widest table, in characters.
_WIDTH = 132

_STUDIES_SQL = """
with cohorts as (
    select
        study_key,
        study_accession_code,
        study_technology,
        illness_label,
        count(distinct sample_key) as samples,
        count(*) as fact_rows,
        max(sample_key) as sample_key
    from vw_expression_long
    group by all
)

select
    c.study_accession_code,
    c.study_technology,
    any_value(m.sample_organism),
    any_value(st.study_unit_tag),
    string_agg(c.illness_label || ' ' || c.samples, ', ' order by c.illness_label),
    sum(c.samples),
    sum(c.fact_rows)
from cohorts as c
inner join dim_study as st on c.study_key = st.study_key
inner join dim_sample as m on c.sample_key = m.sample_key
group by c.study_accession_code, c.study_technology
order by c.study_accession_code
"""


def print_report(target: str | None = None) -> None:
    """Print studies, tests and the pairs found, and what to do next.

    target  of the dbt profile; without one, the profile's default

    Raises UserError 4001 if the warehouse cannot be opened or is not built, 4006 if the target is
    not a DuckDB file, and 54040 if none of the simulated studies is in it.
    """
    # Wide enough that rich truncates no number; a narrow terminal wraps the lines.
    console = Console(highlight=False)
    console.width = max(console.width, _WIDTH)
    with _open(target) as connection:
        studies = connection.execute(_STUDIES_SQL).fetchall()
        if not {study.accession for study in STUDIES} & {row[0] for row in studies}:
            raise UserError("STUDY_NOT_FOUND", "the warehouse has no simulated study")
        by_test = {test: ranked_pairs(connection, test) for test in TESTS}
    console.print(_study_table(studies))
    console.print(_test_table(by_test))
    for line in closing_lines(by_test["hk"], target):
        console.print(line, markup=False, soft_wrap=True)


@contextlib.contextmanager
def _open(target: str | None) -> Iterator[duckdb.DuckDBPyConnection]:
    profile = read_profile(target)
    if profile.credentials.type != "duckdb":
        raise UserError(
            "LOAD_TARGET_UNSUPPORTED",
            f"target '{profile.target_name}' is of the type {profile.credentials.type}; "
            "this report reads DuckDB",
        )
    path = file_path(profile.credentials)
    schema_name = project_macros("duckdb").schema_name
    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            connection.execute(
                f"set search_path = '{schema_name('analytics')},{schema_name('dim')}'"
            )
            yield connection
    except duckdb.CatalogException as error:
        raise UserError(
            "LOAD_CONNECTION_FAILED",
            f"the warehouse is not built: {str(error).splitlines()[0]}",
            file=str(path),
            action="Run dbt build first",
        ) from error
    except duckdb.IOException as error:
        raise UserError(
            "LOAD_CONNECTION_FAILED", f"the warehouse cannot be opened: {error}", file=str(path)
        ) from error


def _study_table(rows: list[tuple]) -> Table:
    table = Table(title="Studies", title_justify="left")
    for name in ("study", "technology", "organism", "unit", "samples per cohort"):
        table.add_column(name, no_wrap=True)
    for name in ("samples", "fact rows"):
        table.add_column(name, justify="right")
    for *words, samples, fact_rows in rows:
        table.add_row(*(word or "" for word in words), str(samples), f"{fact_rows:,}")
    return table


def _test_table(by_test: Mapping[str, Mapping[str, list[PairResult]]]) -> Table:
    table = Table(title=f"Pairs found at q ≤ {FALSE_DISCOVERY_RATE}", title_justify="left")
    for name in ("slice", "q_basis", "test"):
        table.add_column(name, no_wrap=True)
    for name in ("tested", "found", "planted", "precision"):
        table.add_column(name, justify="right")
    for slice_ in by_test["hk"]:
        for test, words in TESTS.items():
            if pairs := by_test[test].get(slice_):
                result = discovery(pairs)
                table.add_row(
                    slice_,
                    test,
                    words,
                    f"{len(pairs):,}",
                    str(result.found),
                    str(result.planted),
                    "" if result.precision is None else f"{result.precision:.2f}",
                )
    return table
