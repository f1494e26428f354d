select
    'TRANSFORMATION_ILLNESS_AMBIGUOUS' as validation_code,
    b.batch_id,
    b.study_accession_code,
    l.sample_accession_code as subject,
    concat(
        coalesce(s.sample_title, ''), ': by ', l.inferred_from_phrase, ' it is ', l.inferred_illness_label,
        ', by ', l.other_phrase, ' it is ', l.other_illness_label
    ) as finding
from {{ ref('stg_sample_illness') }} as l
inner join {{ ref('stg_batch') }} as b on l.batch_id = b.batch_id
inner join {{ ref('stg_sample') }} as s
    on l.batch_id = s.batch_id and l.sample_accession_code = s.sample_accession_code
where
    l.other_illness_label is not null
    and l.illness_source <> 'override'
    and {{ is_selected_study('b.study_accession_code') }}
