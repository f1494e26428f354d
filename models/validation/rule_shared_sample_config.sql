select
    'TRANSFORMATION_SHARED_SAMPLE_CONFIG' as validation_code,
    b.batch_id,
    b.study_accession_code,
    c.sample_accession_code as subject,
    concat('configured here, owned by ', o.study_accession_code) as finding
from {{ ref('stg_sample_config') }} as c
inner join {{ ref('stg_batch') }} as b on c.batch_id = b.batch_id
inner join {{ ref('dim_sample') }} as m on c.sample_accession_code = m.sample_accession_code
inner join {{ ref('dim_study') }} as o on m.study_key = o.study_key
where
    o.study_accession_code <> b.study_accession_code
    and (c.illness_override is not null or c.exclude_from_analysis = 1)
    and {{ is_selected_study('b.study_accession_code') }}
