with configured as (
    {{ json_object_rows(source('staging', 'disease_definition'), ['disease_label'], 'definition_json', '$.phrases') | indent(4) }}
)

select
    r.rule_order,
    cast(nullif(r.disease_label, '') as {{ type_code(64) }}) as disease_label,
    cast(r.phrase as {{ type_text(100) }}) as phrase,
    cast(nullif(r.illness_label, '') as {{ type_code(50) }}) as illness_label,
    cast(nullif(r.negates, '') as {{ type_text(100) }}) as negates
from {{ ref('illness_rule') }} as r
union all
-- Before the seed's rules, in the order of pipeline.yaml.
select
    cast({{ json_text('c.content', '$.rule_order') }} as integer) as rule_order,
    c.disease_label,
    cast(c.name as {{ type_text(100) }}) as phrase,
    cast({{ json_text('c.content', '$.illness_label') }} as {{ type_code(50) }}) as illness_label,
    cast(null as {{ type_text(100) }}) as negates
from configured as c
