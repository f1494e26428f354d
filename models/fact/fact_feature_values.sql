{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='append_new_columns',
        full_refresh=false,
        pre_hook="{{ in_later_builds(remove_replaced_features(this)) }}"
    )
}}

{#- Model -> entity scope, entity_id_1, entity_id_2. -#}
{%- set of_studies = {
    'int_gene_feature': ('GENE', 'u.gene_key', 'cast(null as bigint)'),
    'int_sample_feature': ('SAMPLE', 'u.sample_key', 'cast(null as bigint)'),
    'int_study_cohort_feature': ('STUDY_COHORT', 'u.study_key', 'cast(u.illness_key as bigint)'),
} -%}
{%- set of_slices = {
    'int_gene_hub_feature': ('GENE', 'u.gene_key', 'cast(null as bigint)'),
    'int_gene_pair_feature': ('GENE_PAIR', 'u.gene_a_key', 'cast(u.gene_b_key as bigint)'),
} -%}

with features as (
    {%- for model, (scope, first, second) in (of_studies | items | list) + (of_slices | items | list) %}
    {{- '\n    union all' if not loop.first }}
    select
        '{{ scope }}' as entity_scope,
        cast({{ first }} as bigint) as entity_id_1,
        {{ second }} as entity_id_2,
        {%- if model in of_studies %}
        u.study_key,
        cast(null as integer) as disease_key,
        cast(null as {{ type_code(16) }}) as technology,
        cast(null as {{ type_code(100) }}) as organism,
        {%- else %}
        cast(null as integer) as study_key,
        u.disease_key,
        u.technology,
        u.organism,
        {%- endif %}
        u.feature_name,
        u.feature_value,
        u.batch_id,
        cast(null as {{ type_code(36) }}) as feature_run_id
    from {{ ref(model) }}
    unpivot (feature_value for feature_name in ({{ features_of(model) | join(', ') }})) as u
    {%- endfor %}
    union all
    select
        v.entity_scope,
        v.entity_id_1,
        v.entity_id_2,
        v.study_key,
        v.disease_key,
        v.technology,
        v.organism,
        v.feature_name,
        v.feature_value,
        v.batch_id,
        v.feature_run_id
    from {{ ref('stg_feature_value') }} as v
    {%- if is_incremental() %}
    where not exists (
        select 1
        from {{ this }} as f
        where f.feature_run_id = v.feature_run_id
    )
    {%- endif %}
)

select
    cast(f.entity_scope as {{ type_code(16) }}) as entity_scope,
    f.entity_id_1,
    f.entity_id_2,
    cast(f.feature_name as {{ type_code(100) }}) as feature_name,
    cast(f.feature_value as float(53)) as feature_value,
    f.study_key,
    f.disease_key,
    f.technology,
    f.organism,
    f.batch_id,
    f.feature_run_id,
    {{ utc_now() }} as etl_created_date
from features as f
