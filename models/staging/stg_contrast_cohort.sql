-- Labels are words: a label is on a list if it stands there between spaces. The dimension keeps
-- contrasts that are no longer defined; they have no cohorts.
{%- for side, labels in {'CASE': 'case_labels', 'REFERENCE': 'reference_labels'}.items() %}
{{ 'union all' if not loop.first }}
select
    c.contrast_key,
    c.disease_key,
    i.illness_key,
    i.illness_label,
    cast('{{ side }}' as {{ type_code(16) }}) as side
from {{ ref('dim_contrast') }} as c
inner join {{ ref('stg_contrast') }} as s on c.contrast_natural_key = concat(s.disease_label, ' ', s.contrast)
inner join {{ ref('dim_illness') }} as i on {{ position_of("concat(' ', i.illness_label, ' ')", "concat(' ', c." ~ labels ~ ", ' ')") }} > 0
{%- endfor %}
