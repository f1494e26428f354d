select
    'AGG_DISEASE_DIFFERS' as validation_code,
    s.current_batch_id as batch_id,
    s.study_accession_code,
    s.study_accession_code as subject,
    concat(
        'pipeline.yaml said ', {{ json_text('b.config_snapshot', '$.disease') }}, ' when the study was ingested; the warehouse has ',
        d.disease_label
    ) as finding
from {{ ref('dim_study') }} as s
inner join {{ ref('stg_batch') }} as b on s.current_batch_id = b.batch_id
inner join {{ ref('study_disease_map') }} as m on s.study_key = m.study_key and m.is_active = 1
inner join {{ ref('dim_disease') }} as d on m.disease_key = d.disease_key
where
    {{ json_text('b.config_snapshot', '$.disease') }} <> d.disease_label
    and {{ is_selected_study('s.study_accession_code') }}
