"""Ranked pairs as SQL: from the ranks of a snapshot, or from the view itself on a server.

Schemas are in braces, parameters after $. In both, rows are those of vw_pair_metrics_ranked.
"""

# The rows of the best ranks of each slice, for the disease and settings of the session.
OF_VIEW = """
    select *
    from {analytics}.vw_pair_metrics_ranked
    where
        pair_rank <= $last_rank
        and technology = coalesce($technology, technology)
        and organism = coalesce($organism, organism)
    order by technology, organism, pair_rank
"""

# The same from the ranks of a snapshot: settings leave rows out, and the order stays.
OF_SNAPSHOT = """
    select * exclude (pair_rank), cast(pair_rank as integer) as pair_rank
    from (
        select
            r.* exclude (pair_rank),
            row_number() over (
                partition by r.technology, r.organism order by r.pair_rank
            ) as pair_rank
        from {analytics}.pair_rank as r
        where
            r.disease_label = $disease
            and r.q_basis = $q_basis
            and r.ranked_by = $ranked_by
            and r.technology = coalesce($technology, r.technology)
            and r.organism = coalesce($organism, r.organism)
            and r.q_star <= cast($q as double)
            and r.i2_star <= cast($i2_max as double)
            and r.included_study_count >= $k_min
    )
    where pair_rank <= $last_rank
    order by technology, organism, pair_rank
"""

_PARTNERS = """
    select *
    from (
        select
            r.pair_rank, r.pair_key, r.disease_label, r.technology, r.organism, r.contrast,
            r.direction, r.effect, r.included_study_count, r.q_star, a.gene_id as gene_a_id,
            p.gene_a_symbol, b.gene_id as gene_b_id, p.gene_b_symbol,
            row_number() over (
                partition by r.disease_label, r.technology, r.organism order by r.pair_rank
            ) as row_no
        from @source as r
        inner join {dim}.dim_gene_pair as p on r.pair_key = p.pair_key
        inner join {dim}.dim_gene as a on p.gene_a_key = a.gene_key
        inner join {dim}.dim_gene as b on p.gene_b_key = b.gene_key
        where a.gene_id = $gene_id or b.gene_id = $gene_id
    ) as x
    where x.row_no <= 20
    order by x.disease_label, x.technology, x.organism, x.pair_rank
"""
PARTNERS_OF_SNAPSHOT = _PARTNERS.replace(
    "@source",
    "(select * from {analytics}.pair_rank where q_basis = 'hk' and ranked_by = 'all')",
)
PARTNERS_OF_VIEW = _PARTNERS.replace("@source", "{analytics}.vw_pair_metrics_ranked")
