with coverage as (
    select
        b.batch_id,
        b.study_accession_code,
        count(*) as sample_count,
        sum(case when l.illness_label = 'UNKNOWN' then 1 else 0 end) as unknown_count
    from {{ ref('stg_sample_illness') }} as l
    inner join {{ ref('stg_batch') }} as b on l.batch_id = b.batch_id
    where {{ is_selected_study('b.study_accession_code') }}
    group by b.batch_id, b.study_accession_code
)

select
    'TRANSFORMATION_ILLNESS_INFERENCE_FAILED' as validation_code,
    batch_id,
    study_accession_code,
    study_accession_code as subject,
    concat(unknown_count, ' of ', sample_count, ' samples are UNKNOWN') as finding
from coverage
where sample_count - unknown_count < {{ var('illness_coverage_min') }} * sample_count
