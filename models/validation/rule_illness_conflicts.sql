select
    'TRANSFORMATION_ILLNESS_CONFLICT' as validation_code,
    b.batch_id,
    b.study_accession_code,
    l.sample_accession_code as subject,
    concat('the override says ', l.illness_label, ', the metadata ', l.inferred_illness_label) as finding
from {{ ref('stg_sample_illness') }} as l
inner join {{ ref('stg_batch') }} as b on l.batch_id = b.batch_id
where
    l.is_conflict = 1
    and {{ is_selected_study('b.study_accession_code') }}
