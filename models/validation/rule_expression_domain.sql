with batches as (
    select
        c.batch_id,
        c.study_accession_code,
        s.study_unit_tag,
        u.is_log_scale,
        b.value_min,
        b.value_max,
        b.is_whole_numbers
    from {{ ref('int_candidate_batch') }} as c
    inner join {{ ref('stg_study') }} as s on c.batch_id = s.batch_id
    inner join {{ ref('unit') }} as u on s.study_unit_tag = u.unit_tag
    inner join {{ ref('stg_batch') }} as b on c.batch_id = b.batch_id
)

select
    'VALIDATION_EXPRESSION_DOMAIN' as validation_code,
    batch_id,
    study_accession_code,
    study_accession_code as subject,
    concat('unit ', study_unit_tag, ', smallest value ', cast(value_min as {{ type_text(30) }})) as finding
from batches
where
    (is_log_scale = 0 and study_unit_tag <> 'COUNTS' and value_min < 0)
    or (is_log_scale = 1 and value_min < -{{ var('log_scale_max') }})
union all
select
    'VALIDATION_EXPRESSION_DOMAIN' as validation_code,
    batch_id,
    study_accession_code,
    study_accession_code as subject,
    concat('unit ', study_unit_tag, ', largest value ', cast(value_max as {{ type_text(30) }})) as finding
from batches
where is_log_scale = 1 and value_max > {{ var('log_scale_max') }}
union all
select
    'VALIDATION_EXPRESSION_DOMAIN' as validation_code,
    batch_id,
    study_accession_code,
    study_accession_code as subject,
    concat('unit ', study_unit_tag, ', not all values are whole numbers') as finding
from batches
where study_unit_tag = 'COUNTS' and is_whole_numbers = 0
