-- A batch counts as loaded once its values are in the fact.
-- depends_on: {{ ref('fact_gene_expression') }}
select
    cast(row_number() over (order by s.disease_key, s.technology, s.organism) as integer) as slice_no,
    s.disease_key,
    s.technology,
    s.organism,
    s.study_count,
    s.batch_id
from {{ ref('stg_slice') }} as s
{#- If one of the tables made of slices is missing, all slices are computed anew, whose rows the others replace. #}
{%- set fact = relation_to_extend('fact', 'fact_gene_pair_metrics') %}
{%- set others = [
    relation_to_extend('fact', 'fact_gene_pair_contrast'),
    relation_to_extend('fact', 'fact_gene_pair_cohort'),
    relation_to_extend('analytics', 'tbl_gene_pairs_materialized'),
    relation_to_extend('meta', 'meta_study_likeness')
] %}
{%- if none not in [fact] + others %}
where not exists (
    select 1
    from {{ fact }} as f
    where
        {{ same_slice('f', 's') }}
        and f.batch_id = s.batch_id
)
{%- endif %}
