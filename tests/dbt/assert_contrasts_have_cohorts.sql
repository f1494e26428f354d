-- 4004 LOAD_CONSTRAINT_VIOLATION: a contrast of seed contrast names a cohort that neither seed illness nor pipeline.yaml
-- has: no sample would ever be of it.

{#- The labels that are known, with a space between them, fill the list. -#}
{%- for side in ['case_labels', 'reference_labels'] %}
{{ 'union all' if not loop.first }}
select
    c.disease_label,
    c.contrast,
    c.{{ side }} as labels
from (select distinct disease_label, contrast, {{ side }} from {{ ref('contrast') }}) as c
left join {{ ref('stg_illness') }} as i
    on {{ position_of("concat(' ', i.illness_label, ' ')", "concat(' ', c." ~ side ~ ", ' ')") }} > 0
group by c.disease_label, c.contrast, c.{{ side }}
having coalesce(sum(len(i.illness_label) + 1), 0) <> len(c.{{ side }}) + 1
{%- endfor %}
