with configured as (
    {{ json_object_rows(source('staging', 'disease_definition'), ['disease_label'], 'definition_json', '$.labels') | indent(4) }}
)

select
    cast(i.illness_label as {{ type_code(50) }}) as illness_label,
    cast(nullif(i.disease_label, '') as {{ type_code(64) }}) as disease_label,
    cast(i.illness_definition as {{ type_text(500) }}) as illness_definition,
    cast(nullif(i.refines_label, '') as {{ type_code(50) }}) as refines_label
from {{ ref('illness') }} as i
union all
select
    cast(c.name as {{ type_code(50) }}) as illness_label,
    min(c.disease_label) as disease_label,
    cast(min(c.content) as {{ type_text(500) }}) as illness_definition,
    cast(null as {{ type_code(50) }}) as refines_label
from configured as c
where not exists (
    select 1
    from {{ ref('illness') }} as i
    where i.illness_label = cast(c.name as {{ type_code(50) }})
)
group by cast(c.name as {{ type_code(50) }})
