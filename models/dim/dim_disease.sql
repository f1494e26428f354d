{{ config(unique_key='disease_label') }}

with incoming as (
    select
        cast(disease_label as {{ type_code(64) }}) as disease_label,
        cast(nullif(disease_ontology, '') as {{ type_code(64) }}) as disease_ontology,
        cast(is_active as {{ type_flag() }}) as is_active
    from {{ ref('disease') }}
),

{{ scd1('incoming', key='disease_key', natural_key='disease_label', attributes=['disease_ontology', 'is_active']) }}
