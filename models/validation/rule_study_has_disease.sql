select
    'AGG_MISSING_DISEASE_MAP' as validation_code,
    s.current_batch_id as batch_id,
    s.study_accession_code,
    s.study_accession_code as subject,
    'no active disease' as finding
from {{ ref('dim_study') }} as s
left join {{ ref('study_disease_map') }} as m on s.study_key = m.study_key and m.is_active = 1
where m.study_key is null and {{ is_selected_study('s.study_accession_code') }}
