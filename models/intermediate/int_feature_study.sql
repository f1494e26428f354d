-- A batch counts as loaded once its values are in the fact.
-- depends_on: {{ ref('fact_gene_expression') }}
select
    s.study_key,
    b.batch_id,
    b.row_count,
    u.is_log_scale
from {{ ref('stg_loaded_batch') }} as b
inner join {{ ref('dim_study') }} as s on b.study_accession_code = s.study_accession_code
inner join {{ ref('unit') }} as u on s.study_unit_tag = u.unit_tag
where
    {{ is_selected_study('b.study_accession_code') }}
    {%- set features = feature_values_relation() %}
    {%- if features %}
    and not exists (
        select 1
        from {{ features }} as f
        where
            f.study_key = s.study_key
            and f.batch_id = b.batch_id
            and f.etl_created_date >= b.loaded_at
    )
    {%- endif %}
