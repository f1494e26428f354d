select
    'AGG_MULTI_DISEASE_MAP' as validation_code,
    s.current_batch_id as batch_id,
    s.study_accession_code,
    s.study_accession_code as subject,
    concat(count(*), ' active diseases') as finding
from {{ ref('study_disease_map') }} as m
inner join {{ ref('dim_study') }} as s on m.study_key = s.study_key
where m.is_active = 1 and {{ is_selected_study('s.study_accession_code') }}
group by s.current_batch_id, s.study_accession_code
having count(*) > 1
