select
    'AGG_DISEASE_UNDEFINED' as validation_code,
    s.current_batch_id as batch_id,
    s.study_accession_code,
    d.disease_label as subject,
    concat('the study has the disease ', d.disease_label, ', which neither pipeline.yaml nor the seeds define') as finding
from {{ ref('study_disease_map') }} as m
inner join {{ ref('dim_study') }} as s on m.study_key = s.study_key
inner join {{ ref('dim_disease') }} as d on m.disease_key = d.disease_key
left join {{ ref('stg_disease') }} as e on d.disease_label = e.disease_label
where
    m.is_active = 1
    and e.disease_label is null
    and {{ is_selected_study('s.study_accession_code') }}
