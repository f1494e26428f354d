{{ config(unique_key='illness_label') }}

with incoming as (
    select
        illness_label,
        illness_definition
    from {{ ref('stg_illness') }}
),

{{ scd1('incoming', key='illness_key', natural_key='illness_label', attributes=['illness_definition']) }}
