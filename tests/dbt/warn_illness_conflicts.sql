-- 3004 TRANSFORMATION_ILLNESS_CONFLICT: an override and the rules give a sample different illness
-- labels. The override holds.
{{ config(severity='warn') }}

select
    b.study_accession_code,
    l.sample_accession_code,
    l.illness_label,
    l.inferred_illness_label
from {{ ref('stg_sample_illness') }} as l
inner join {{ ref('stg_batch') }} as b on l.batch_id = b.batch_id
where
    l.is_conflict = 1
    and {{ is_selected_study('b.study_accession_code') }}
