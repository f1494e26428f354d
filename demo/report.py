"""What the warehouse holds, which planted pairs its meta-analysis finds, and what to do next."""

import contextlib
import operator
from collections.abc import Iterator

import duckdb
from rich.console import Console
from rich.table import Table

from demo.closing import closing_lines
from demo.design import PLANTED_PAIRS, STUDIES
from demo.pairs import (
    FALSE_DISCOVERY_RATE,
    PairResult,
    discovery,
    of_technology,
    ranked_pairs,
)
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.warehouse.duckdb import file_path
from expression_warehouse.core.warehouse.macros import project_macros
from expression_warehouse.core.warehouse.profile import read_profile

# Width of the widest table, in characters.
_WIDTH = 115

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


def print_report(target: str | None = None) -> None:
    """Print studies, cohorts, planted pairs and discoveries, and what to do next.

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
        console.print(_study_table(studies))
        console.print(_cohort_table(connection.execute(_COHORTS_SQL).fetchall()))
        pairs = ranked_pairs(connection)
    console.print(_pair_table([pair for pair in pairs if pair.is_planted]))
    console.print(_discovery_table(pairs))
    for line in closing_lines(pairs, target):
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
    table = Table(
        title="Planted pairs (Spearman r; dz_ss: difference of Fisher's z)", title_justify="left"
    )
    for name in ("technology", "gene", "gene"):
        table.add_column(name, no_wrap=True)
    for name in ("r shock", "r sepsis", "dz_ss", "95 % interval", "q_ss", "rank"):
        table.add_column(name, justify="right", no_wrap=True)
    for pair in pairs:
        table.add_row(
            pair.technology,
            pair.gene_a_name,
            pair.gene_b_name,
            f"{pair.r_septic_shock:+.2f}",
            f"{pair.r_sepsis:+.2f}",
            f"{pair.dz_ss_mean:+.2f}",
            f"{pair.dz_ss_ci_low:+.2f} … {pair.dz_ss_ci_high:+.2f}",
            f"{pair.q_ss:.1g}",
            str(pair.pair_rank),
        )
    return table


def _discovery_table(pairs: list[PairResult]) -> Table:
    table = Table(
        title=f"Pairs found at q ≤ {FALSE_DISCOVERY_RATE}, {len(PLANTED_PAIRS)} are planted",
        title_justify="left",
    )
    for name in ("technology", "by"):
        table.add_column(name, no_wrap=True)
    for name in ("tested", "found", "planted", "precision", "recall"):
        table.add_column(name, justify="right")
    for technology in sorted({pair.technology for pair in pairs}):
        tested = of_technology(technology, pairs)
        for rate in ("q_ss_hk", "q_ss", "q_combined_dependent", "q_combined"):
            result = discovery(tested, operator.attrgetter(rate))
            table.add_row(
                technology,
                rate,
                f"{len(tested):,}",
                str(result.found),
                str(result.planted),
                "" if result.precision is None else f"{result.precision:.2f}",
                f"{result.recall:.2f}",
            )
    return table
