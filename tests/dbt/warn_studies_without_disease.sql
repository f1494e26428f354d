-- 54001 AGG_MISSING_DISEASE_MAP: a study has no active disease, so that it is left out of all
-- meta-analyses.
{{ config(severity='warn') }}

select
    s.study_key,
    s.study_accession_code
from {{ ref('dim_study') }} as s
left join {{ ref('study_disease_map') }} as m on s.study_key = m.study_key and m.is_active = 1
where m.study_key is null and {{ is_selected_study('s.study_accession_code') }}
