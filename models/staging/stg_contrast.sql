with configured as (
    {{ json_object_rows(source('staging', 'disease_definition'), ['disease_label'], 'definition_json', '$.contrasts') | indent(4) }}
)

select
    cast(concat(s.disease_label, ' ', s.contrast) as {{ type_code(100) }}) as contrast_natural_key,
    cast(s.disease_label as {{ type_code(64) }}) as disease_label,
    cast(s.contrast as {{ type_code(16) }}) as contrast,
    cast(s.case_labels as {{ type_text(200) }}) as case_labels,
    cast(s.reference_labels as {{ type_text(200) }}) as reference_labels,
    cast(s.is_primary as {{ type_flag() }}) as is_primary,
    cast(s.description as {{ type_text(500) }}) as description
from {{ ref('contrast') }} as s
where not exists (
    select 1
    from configured as c
    where c.disease_label = s.disease_label
)
union all
select
    cast(concat(c.disease_label, ' ', c.name) as {{ type_code(100) }}) as contrast_natural_key,
    c.disease_label,
    cast(c.name as {{ type_code(16) }}) as contrast,
    cast({{ json_text('c.content', '$.case_labels') }} as {{ type_text(200) }}) as case_labels,
    cast({{ json_text('c.content', '$.reference_labels') }} as {{ type_text(200) }}) as reference_labels,
    cast({{ json_text('c.content', '$.is_primary') }} as {{ type_flag() }}) as is_primary,
    cast({{ json_text('c.content', '$.description') }} as {{ type_text(500) }}) as description
from configured as c
