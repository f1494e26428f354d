{{ config(unique_key='disease_label') }}

with incoming as (
    select
        disease_label,
        disease_ontology,
        is_active
    from {{ ref('stg_disease') }}
),

{{ scd1('incoming', key='disease_key', natural_key='disease_label', attributes=['disease_ontology', 'is_active']) }}
