-- 3005 TRANSFORMATION_SHARED_SAMPLE_CONFIG: a sample belongs to several studies, and pipeline.yaml
-- gives it an override or excludes it under a study that does not own it in dim_sample, where the
-- setting has no effect.
{{ config(severity='warn') }}

select
    b.study_accession_code,
    c.sample_accession_code,
    o.study_accession_code as owner_study_accession_code
from {{ ref('stg_sample_config') }} as c
inner join {{ ref('stg_batch') }} as b on c.batch_id = b.batch_id
inner join {{ ref('dim_sample') }} as m on c.sample_accession_code = m.sample_accession_code
inner join {{ ref('dim_study') }} as o on m.study_key = o.study_key
where
    o.study_accession_code <> b.study_accession_code
    and (c.illness_override is not null or c.exclude_from_analysis = 1)
    and {{ is_selected_study('b.study_accession_code') }}
