{{ config(unique_key='illness_label') }}

with incoming as (
    select
        cast(illness_label as {{ type_code(50) }}) as illness_label,
        cast(illness_definition as {{ type_text(500) }}) as illness_definition
    from {{ ref('illness') }}
),

{{ scd1('incoming', key='illness_key', natural_key='illness_label', attributes=['illness_definition']) }}
