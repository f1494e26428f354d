select
    'VALIDATION_COUNTS_INVALID' as validation_code,
    c.batch_id,
    c.study_accession_code,
    c.study_accession_code as subject,
    concat(
        'counts from ', cast(b.value_min as {{ type_text(30) }}), ' to ', cast(b.value_max as {{ type_text(30) }})
    ) as finding
from {{ ref('int_candidate_batch') }} as c
inner join {{ ref('stg_study') }} as s on c.batch_id = s.batch_id
inner join {{ ref('stg_batch') }} as b on c.batch_id = b.batch_id
where
    s.study_unit_tag = 'COUNTS'
    -- 2^53: above it a double cannot represent every whole number, and a sample's sum may overflow.
    and (b.value_min < 0 or b.value_max > 9007199254740992e0)
