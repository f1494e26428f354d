{{ config(unique_key='disease_label') }}

with incoming as (
    select
        disease_label,
        disease_ontology,
        is_active
    from {{ ref('stg_disease') }}
    {%- if is_incremental() %}
    union all
    select
        d.disease_label,
        d.disease_ontology,
        cast(0 as {{ type_flag() }}) as is_active
    from {{ this }} as d
    where not exists (
        select 1
        from {{ ref('stg_disease') }} as s
        where s.disease_label = d.disease_label
    )
    {%- endif %}
),

{{ scd1('incoming', key='disease_key', natural_key='disease_label', attributes=['disease_ontology', 'is_active']) }}
