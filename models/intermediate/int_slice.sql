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
{%- set fact = relation_to_extend('fact', 'fact_gene_pair_metrics') %}
{%- if fact %}
where not exists (
    select 1
    from {{ fact }} as f
    where
        {{ same_slice('f', 's') }}
        and f.batch_id = s.batch_id
)
{%- endif %}
