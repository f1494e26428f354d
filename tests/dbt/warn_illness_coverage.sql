-- 3001 TRANSFORMATION_ILLNESS_INFERENCE_FAILED: the share of a study's samples that have a cohort
-- is below var illness_coverage_min.
{{ config(severity='warn') }}

select
    b.study_accession_code,
    count(*) as sample_count,
    sum(case when l.illness_label = 'UNKNOWN' then 1 else 0 end) as unknown_count
from {{ ref('stg_sample_illness') }} as l
inner join {{ ref('stg_batch') }} as b on l.batch_id = b.batch_id
where {{ is_selected_study('b.study_accession_code') }}
group by b.study_accession_code
having sum(case when l.illness_label <> 'UNKNOWN' then 1.0 else 0.0 end) < {{ var('illness_coverage_min') }} * count(*)
