select
    cast(d.disease_label as {{ type_code(64) }}) as disease_label,
    cast(nullif(d.disease_ontology, '') as {{ type_code(64) }}) as disease_ontology,
    cast(d.is_active as {{ type_flag() }}) as is_active,
    cast(nullif(d.shares_labels_with, '') as {{ type_code(64) }}) as shares_labels_with
from {{ ref('disease') }} as d
union all
select
    c.disease_label,
    cast({{ json_text('c.definition_json', '$.ontology') }} as {{ type_code(64) }}) as disease_ontology,
    cast(1 as {{ type_flag() }}) as is_active,
    cast(null as {{ type_code(64) }}) as shares_labels_with
from {{ source('staging', 'disease_definition') }} as c
where not exists (
    select 1
    from {{ ref('disease') }} as d
    where d.disease_label = c.disease_label
)
