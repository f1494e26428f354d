-- A batch counts as loaded once its values are in the fact.
-- depends_on: {{ ref('fact_gene_expression') }}
-- A sample gets another label without a new batch if the rules of illness change.
with sample_changes as (
    select
        p.batch_id,
        max(m.etl_updated_date) as changed_at
    from {{ ref('stg_sample') }} as p
    inner join {{ ref('dim_sample') }} as m on p.sample_natural_key = m.sample_natural_key
    group by p.batch_id
)

select
    s.study_key,
    b.batch_id,
    b.row_count,
    u.is_log_scale,
    cast({{ judging_settings('u.is_log_scale') }} as {{ type_text(500) }}) as judged_by
from {{ ref('stg_loaded_batch') }} as b
inner join {{ source('staging', 'batch') }} as r on b.batch_id = r.batch_id
inner join {{ ref('dim_study') }} as s on b.study_accession_code = s.study_accession_code
inner join {{ ref('unit') }} as u on s.study_unit_tag = u.unit_tag
left join sample_changes as c on b.batch_id = c.batch_id
where
    {{ is_selected_study('b.study_accession_code') }}
    {%- if relation_to_extend('fact', 'fact_feature_values') and relation_to_extend('meta', 'meta_study_qc') %}
    and (
        r.values_judged_at is null
        or r.values_judged_at < b.loaded_at
        or r.values_judged_at < c.changed_at
        or coalesce(r.values_judged_by, '') <> {{ judging_settings('u.is_log_scale') }}
    )
    {%- endif %}
