{{
    config(
        incremental_strategy='append',
        indexes=table_indexes([
            {'columns': ['study_key'], 'unique': true, 'where': 'is_active = 1'},
        ])
    )
}}

-- Initial mappings only: the disease in pipeline.yaml, for studies that this table does not have yet. From
-- then on, analysts maintain the table (`dbt run-operation upsert_study_disease_map`).
with configured as (
    select
        s.study_key,
        d.disease_key
    from {{ ref('stg_batch') }} as b
    inner join {{ ref('dim_study') }} as s on b.batch_id = s.current_batch_id
    inner join {{ ref('dim_disease') }} as d on {{ json_text('b.config_snapshot', '$.disease') }} = d.disease_label and d.is_active = 1
    {%- if is_incremental() %}
    where not exists (
        select 1
        from {{ this }} as m
        where m.study_key = s.study_key
    )
    {%- endif %}
)

select
    cast(
        {% if is_incremental() -%}
        (select coalesce(max(m.study_disease_map_key), 0) from {{ this }} as m) +
        {% endif -%}
        row_number() over (order by c.study_key) as integer
    ) as study_disease_map_key,
    c.study_key,
    c.disease_key,
    cast(1 as {{ type_flag() }}) as is_active,
    {{ utc_now() }} as effective_from,
    cast(null as {{ type_instant() }}) as effective_to,
    cast('pipeline.yaml' as {{ type_text(128) }}) as created_by,
    {{ utc_now() }} as created_at,
    cast(null as {{ type_text(128) }}) as updated_by,
    cast(null as {{ type_instant() }}) as updated_at
from configured as c
