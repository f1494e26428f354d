-- A slice's pairs must be computed before its features.
-- depends_on: {{ ref('fact_gene_pair_metrics') }}
select
    s.disease_key,
    s.technology,
    s.organism,
    s.batch_id
from {{ ref('stg_slice') }} as s
{%- set features = relation_to_extend('fact', 'fact_feature_values') %}
{%- if features %}
where not exists (
    select 1
    from {{ features }} as f
    where
        {{ same_slice('f', 's') }}
        and f.batch_id = s.batch_id
        and f.feature_run_id is null
)
{%- endif %}
