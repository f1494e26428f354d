select
    'TRANSFORMATION_SHARED_SAMPLE_CONFIG' as validation_code,
    b.batch_id,
    b.study_accession_code,
    c.sample_accession_code as subject,
    concat('the override here says ', c.illness_override, '; ', i.illness_label, ', of another study, applies') as finding
from {{ ref('stg_sample_config') }} as c
inner join {{ ref('stg_batch') }} as b on c.batch_id = b.batch_id
inner join {{ ref('stg_sample') }} as n on c.batch_id = n.batch_id and c.sample_accession_code = n.sample_accession_code
inner join {{ ref('dim_sample') }} as m on n.sample_natural_key = m.sample_natural_key
inner join {{ ref('dim_illness') }} as i on m.illness_key = i.illness_key
where
    c.illness_override <> i.illness_label
    and {{ is_selected_study('b.study_accession_code') }}
