"""A made-up warehouse of any size for `python -m bench api`: the relations that a snapshot copies,
with random numbers."""

from pathlib import Path

import duckdb

COHORTS = ("CONTROL", "SEPSIS", "SEPTIC_SHOCK")
STUDIES = 20


def write_warehouse(template: Path, path: Path, genes: int, samples: int, pairs: int) -> None:
    """Write a warehouse file with relations of the columns that those of `template` have.

    template  a published snapshot
    samples   of all studies together, spread evenly over them and their cohorts
    """
    with duckdb.connect(str(path)) as connection:
        connection.execute("set preserve_insertion_order = false")
        connection.execute(f"attach '{template}' as template (read_only)")
        _create_tables(connection)
        values = {"genes": genes, "samples": samples, "pairs": pairs, "studies": STUDIES}
        for statement in _STATEMENTS:
            used = {name: value for name, value in values.items() if f"${name}" in statement}
            connection.execute(statement, used)
        _fill_pair_facts(connection, pairs)
        _create_views(connection)
        connection.execute("detach template")


# What a snapshot has beside what it copies.
_OWN = ("pair_rank", "pair_record", "pair_row", "fact_gene_pair_metrics")
_OWN_COLUMNS = ("disease_label", "gene_a_id", "gene_a_symbol", "gene_b_id", "gene_b_symbol")


def _create_tables(connection: duckdb.DuckDBPyConnection) -> None:
    query = """
        select schema_name, table_name from duckdb_tables()
        where database_name = 'template' and table_name not in ?
    """
    for schema, table in connection.execute(query, [_OWN]).fetchall():
        connection.execute(f"create schema if not exists {schema}")
        connection.execute(
            f"create table {schema}.{table} as from template.{schema}.{table} limit 0"
        )
    connection.execute(
        f"create table fact.fact_gene_pair_metrics as"
        f" select * exclude ({', '.join(_OWN_COLUMNS)})"
        f" from template.fact.fact_gene_pair_metrics limit 0"
    )


def _create_views(connection: duckdb.DuckDBPyConnection) -> None:
    query = """
        select sql from duckdb_views()
        where database_name = 'template' and not internal and view_name not in ?
    """
    waiting = [sql for (sql,) in connection.execute(query, [_OWN]).fetchall()]
    # A view can be created once those that it reads are.
    while waiting:
        left = []
        for sql in waiting:
            try:
                connection.execute(sql)
            except duckdb.CatalogException:
                left.append(sql)
        if len(left) == len(waiting):
            raise RuntimeError(f"no order of views creates {left[0]}")
        waiting = left


_STATEMENTS = (
    "insert into dim.dim_illness from template.dim.dim_illness",
    "insert into dim.dim_disease from template.dim.dim_disease",
    "insert into dim.dim_contrast from template.dim.dim_contrast",
    "insert into seeds.unit from template.seeds.unit",
    "insert into staging.stg_contrast_cohort from template.staging.stg_contrast_cohort",
    "insert into meta.vw_run from template.meta.vw_run",
    """
    insert into dim.dim_study by name
    select
        s as study_key, 'GSE' || s as study_accession_code, 'batch' || s as current_batch_id,
        'Study ' || s as study_title, 'MICROARRAY' as study_technology,
        'HOMO_SAPIENS' as study_organism, 'ARRAY_LOG2' as study_unit_tag
    from range(1, $studies + 1) as t(s)
    """,
    """
    insert into meta.meta_study_qc by name
    select
        s as study_key, 'batch' || s as batch_id, $samples // $studies as sample_count,
        $genes as gene_count, 0 as missing_share, 0 as unknown_illness_share, 0 as outlier_share,
        90 as data_quality_score
    from range(1, $studies + 1) as t(s)
    """,
    """
    insert into dim.dim_gene by name
    select g as gene_key, 'ENSG' || lpad(g::varchar, 11, '0') as gene_id, 'GENE' || g as gene_symbol
    from range(1, $genes + 1) as t(g)
    """,
    """
    insert into analytics.vw_gene_annotation by name
    select gene_key, gene_id, gene_symbol, false as is_retired from dim.dim_gene
    """,
    """
    insert into dim.gene_identifier by name
    select
        upper(gene_symbol) as identifier_key, 'HOMO_SAPIENS' as organism, 'SYMBOL' as id_type,
        gene_id, gene_symbol as identifier, true as is_current, false as is_ambiguous,
        '' as annotation_id
    from dim.dim_gene
    """,
    """
    insert into dim.dim_sample by name
    select
        s as sample_key, 'GSM' || s as sample_natural_key, 'GSM' || s as sample_accession_code,
        1 + s % $studies as study_key, i.illness_key, false as exclude_from_analysis,
        'TITLE' as illness_source
    from range(1, $samples + 1) as t(s)
    inner join dim.dim_illness as i
        on i.illness_label = ['CONTROL', 'SEPSIS', 'SEPTIC_SHOCK'][1 + (s // $studies) % 3]
    """,
    """
    insert into staging.stg_slice_sample by name
    select
        d.disease_key, 'MICROARRAY' as technology, 'HOMO_SAPIENS' as organism, s.study_key,
        s.sample_key, s.illness_key, 'batch' || s.study_key as batch_id
    from dim.dim_sample as s
    inner join dim.dim_disease as d on d.disease_label = 'SEPSIS'
    """,
    """
    insert into staging.stg_slice_cohort by name
    select
        s.disease_key, s.technology, s.organism, s.study_key, s.illness_key, i.illness_label,
        s.batch_id, count(*) as sample_count, true as is_large_enough
    from staging.stg_slice_sample as s
    inner join dim.dim_illness as i using (illness_key)
    group by all
    """,
    """
    insert into analytics.vw_expression_export by name
    select
        s.sample_key, g.gene_key, s.study_key, i.illness_label,
        -- As published matrices have them: six significant digits.
        round(4 + 10 * random(), 5) as expression_value
    from dim.dim_gene as g
    cross join dim.dim_sample as s
    inner join dim.dim_illness as i on s.illness_key = i.illness_key
    """,
    """
    insert into dim.dim_gene_pair by name
    select
        row_number() over (order by a, b) as pair_key, a || '_' || b as pair_natural_key,
        a as gene_a_key, b as gene_b_key, 'GENE' || a as gene_a_symbol, 'GENE' || b as gene_b_symbol
    from (
        -- Genes differ in how many partners they have.
        select distinct
            1 + (($genes - 1) * power(random(), 2))::integer as a,
            1 + (($genes - 1) * random())::integer as b
        from range(2 * $pairs)
    )
    where a < b
    limit $pairs
    """,
)


def _fill_pair_facts(connection: duckdb.DuckDBPyConnection, pairs: int) -> None:
    """Random numbers in all columns that are not named here."""
    slice_ = {
        "disease_key": "d.disease_key",
        "technology": "'MICROARRAY'",
        "organism": "'HOMO_SAPIENS'",
        "batch_id": "md5('batch')",
        "pair_key": "p.pair_key",
        "etl_created_date": "now()",
    }
    counts = {
        "n_studies": "3 + (18 * random())::integer",
        "n_samples": "1000",
        "i2": "100 * random()",
    }
    relations = {
        "fact_gene_pair_contrast": (
            "inner join dim.dim_contrast as c on c.disease_key = d.disease_key",
            {"contrast_key": "c.contrast_key", "is_eligible": "true", "pairs_tested": str(pairs),
             "is_deciding": "c.contrast = 'ss'", "tau2": "0.1 * random()", **counts},
        ),
        "fact_gene_pair_cohort": (
            "inner join dim.dim_illness as i"
            " on i.illness_label in ('CONTROL', 'SEPSIS', 'SEPTIC_SHOCK')",
            {"illness_key": "i.illness_key", **counts},
        ),
        "fact_gene_pair_metrics": (
            "",
            {"metrics_scope": "'META_STUDIES'", "metrics_source": "'AGGREGATOR'",
             "feature_run_id": "md5('run')", "included_study_count": "12"},
        ),
    }  # fmt: skip
    for table, (join, given) in relations.items():
        described = connection.execute(f"describe fact.{table}").fetchall()
        columns = ",\n".join(
            f"{(slice_ | given).get(name) or _random(kind)} as {name}"
            for name, kind, *_ in described
        )
        connection.execute(
            f"insert into fact.{table} by name select {columns} from dim.dim_gene_pair as p"
            f" inner join dim.dim_disease as d on d.disease_label = 'SEPSIS' {join}"
        )


def _random(kind: str) -> str:
    if kind == "DOUBLE":
        return "random()"
    return "1" if kind in ("INTEGER", "BIGINT") else "null"
