"""Ranks of all pairs in a snapshot, so that a request filters them and sorts none.

The order of vw_pair_metrics_ranked depends on the disease, the test (q_basis) and the contrast; the
other settings only leave rows out. So the view is read once per such choice with settings that
leave no row out.
"""

from collections.abc import Callable

import duckdb

from expression_warehouse.core.view_settings import NUMBERS

# Columns of the view that a request filters, sorts or shows in a list.
COLUMNS = (
    "pair_rank", "q_star", "i2_star", "contrast", "direction", "effect", "effect_ci_low",
    "effect_ci_high", "pair_key", "disease_label", "technology", "organism",
    "included_study_count", "power_score", "new_rank_score",
)  # fmt: skip
Q_BASES = ("hk", "spec", "dependent")
# Columns by which rows are found.
_KEYS = ("pair_key", "disease_key")
# Settings that leave no row out.
_WIDEST = {
    "q": str(NUMBERS["q"].greatest),
    "i2_max": str(NUMBERS["i2_max"].greatest),
    "k_min": str(NUMBERS["k_min"].least),
}


def write_ranks(connection: duckdb.DuckDBPyConnection, schema_name: Callable[[str], str]) -> None:
    """Write analytics.pair_rank into the attached database `snapshot`: one row per disease, test
    (q_basis), contrast or 'all' (ranked_by), technology, organism and pair, in that order and by
    rank."""
    names = ("analytics", "fact", "dim", "staging")
    analytics, fact, dim, staging = (schema_name(name) for name in names)
    view = f"{analytics}.vw_pair_metrics_ranked"
    table = f"snapshot.{analytics}.pair_rank"
    columns = ", ".join(COLUMNS)
    connection.execute(
        f"create table {table} as"
        f" select '' as q_basis, '' as ranked_by, {columns} from {view} limit 0"
    )
    for name, value in _WIDEST.items():
        connection.execute(f"set variable {name} = ?", [value])
    # The view refuses all contrasts by the tests of ss and soth for a disease with neither.
    choices = connection.execute(
        f"""
        with contrasts as (
            select disease_key, contrast from {dim}.dim_contrast
            where contrast_key in (select contrast_key from {staging}.stg_contrast_cohort)
        )
        select d.disease_label, c.contrast, b.q_basis
        from {dim}.dim_disease as d
        inner join (
            from contrasts union all select disease_key, 'all' from {dim}.dim_disease
        ) as c using (disease_key)
        cross join (select unnest($q_bases) as q_basis) as b
        where
            d.disease_key in (select disease_key from {fact}.fact_gene_pair_metrics)
            and (
                c.contrast <> 'all'
                or b.q_basis = 'hk'
                or d.disease_key in (
                    select disease_key from contrasts where contrast in ('ss', 'soth')
                )
            )
        order by all
        """,
        {"q_bases": list(Q_BASES)},
    ).fetchall()
    for disease, contrast, q_basis in choices:
        for name, value in (("disease", disease), ("contrast", contrast), ("q_basis", q_basis)):
            connection.execute(f"set variable {name} = ?", [value])
        connection.execute(
            f"insert into {table} select ?, ?, {columns} from {view}"
            " order by technology, organism, pair_rank",
            [q_basis, contrast],
        )


def write_pair_metrics(
    connection: duckdb.DuckDBPyConnection, schema_name: Callable[[str], str]
) -> None:
    """Write analytics.pair_record into the attached database `snapshot`: the rows of
    fact_gene_pair_metrics with the names of their disease and genes, and their numbers in one list.

    A request reads all columns of up to a thousand pairs, which the index finds. The list lies in
    one block; a hundred columns lie in a hundred. A join with the names would read the columns of
    all pairs instead.
    """
    analytics, fact, dim = (schema_name(name) for name in ("analytics", "fact", "dim"))
    table = f"snapshot.{analytics}.pair_record"
    names = _numbers(connection, fact)
    numbers = ", ".join(f"cast(m.{name} as double)" for name in names)
    connection.execute(
        f"""
        create table {table} as
        select
            m.* exclude ({", ".join(names)}), [{numbers}] as numbers, d.disease_label,
            a.gene_id as gene_a_id, p.gene_a_symbol, b.gene_id as gene_b_id, p.gene_b_symbol
        from {fact}.fact_gene_pair_metrics as m
        inner join {dim}.dim_disease as d on m.disease_key = d.disease_key
        inner join {dim}.dim_gene_pair as p on m.pair_key = p.pair_key
        inner join {dim}.dim_gene as a on p.gene_a_key = a.gene_key
        inner join {dim}.dim_gene as b on p.gene_b_key = b.gene_key
        order by m.pair_key, m.disease_key, m.technology, m.organism
        """
    )
    connection.execute(f"create index pair_records on {table} (pair_key)")


def pair_metrics_view(
    connection: duckdb.DuckDBPyConnection, schema_name: Callable[[str], str]
) -> str:
    """The statement that creates fact.fact_gene_pair_metrics in a snapshot, with the columns of the
    fact and the names of its disease and genes."""
    analytics, fact = schema_name("analytics"), schema_name("fact")
    places = {name: place for place, name in enumerate(_numbers(connection, fact), start=1)}
    columns = ", ".join(
        f"cast(numbers[{places[name]}] as {kind}) as {name}" if name in places else name
        for name, kind in _columns(connection, fact)
    )
    return f"""
        create view {fact}.fact_gene_pair_metrics as
        select {columns}, disease_label, gene_a_id, gene_a_symbol, gene_b_id, gene_b_symbol
        from {analytics}.pair_record
    """


def _columns(connection: duckdb.DuckDBPyConnection, fact: str) -> list[tuple[str, str]]:
    """Name and type of each column of fact_gene_pair_metrics."""
    described = connection.execute(f"describe {fact}.fact_gene_pair_metrics").fetchall()
    return [(name, kind) for name, kind, *_ in described]


def _numbers(connection: duckdb.DuckDBPyConnection, fact: str) -> list[str]:
    """The columns whose values a double holds exactly; counts are less than 2^53."""
    return [
        name
        for name, kind in _columns(connection, fact)
        if kind in ("DOUBLE", "INTEGER", "BIGINT") and name not in _KEYS
    ]


def pair_row_view(connection: duckdb.DuckDBPyConnection, schema_name: Callable[[str], str]) -> str:
    """The statement that creates analytics.pair_row in a snapshot: one row per slice and pair, with
    the columns of vw_pair_metrics_ranked; those that table pair_rank has are null, but for keys."""
    analytics, fact = schema_name("analytics"), schema_name("fact")
    described = connection.execute(f"describe {analytics}.vw_pair_metrics_ranked").fetchall()
    keys = ("pair_key", "technology", "organism", "disease_label")
    columns = ", ".join(
        f"null as {name}" if name in COLUMNS and name not in keys else name
        for name, *_ in described
    )
    return f"""
        create view {analytics}.pair_row as
        select {columns}
        from {fact}.fact_gene_pair_metrics
    """
