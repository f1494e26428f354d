{{
    config(indexes=table_indexes([{'columns': ['study_key', 'gene_key'], 'type': 'clustered'}]))
}}

-- A table, because the correlations reference their values about a hundred times, and SQL Server would
-- read the fact each time.
with candidate_genes as (
    select
        disease_key,
        technology,
        gene_a_key as gene_key
    from {{ ref('tbl_gene_pairs_materialized') }}
    union
    select
        disease_key,
        technology,
        gene_b_key as gene_key
    from {{ ref('tbl_gene_pairs_materialized') }}
)

select
    e.study_key,
    e.illness_label,
    e.gene_key,
    e.sample_key,
    e.expression_value
from {{ ref('vw_expression_export') }} as e
inner join {{ ref('stg_slice_study') }} as m on e.study_key = m.study_key
inner join {{ ref('int_slice') }} as s on m.disease_key = s.disease_key and m.technology = s.technology
inner join candidate_genes as g
    on s.disease_key = g.disease_key and s.technology = g.technology and e.gene_key = g.gene_key
