-- A batch counts as loaded once its values are in the fact.
-- depends_on: {{ ref('fact_gene_expression') }}
select
    s.disease_key,
    s.technology,
    s.study_count,
    s.batch_id
from {{ ref('stg_slice') }} as s
{%- set fact = pair_metrics_relation() %}
{%- if fact and not flags.FULL_REFRESH %}
where not exists (
    select 1
    from {{ fact }} as f
    where
        f.disease_key = s.disease_key
        and f.technology = s.technology
        and f.batch_id = s.batch_id
)
{%- endif %}
