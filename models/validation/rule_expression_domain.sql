with batches as (
    select
        c.batch_id,
        c.study_accession_code,
        {{ domain_fault('s.study_unit_tag', 'b.value_min', 'b.value_max', 'b.is_whole_numbers') | indent(8) }} as finding
    from {{ ref('int_candidate_batch') }} as c
    inner join {{ ref('stg_study') }} as s on c.batch_id = s.batch_id
    inner join {{ ref('stg_batch') }} as b on c.batch_id = b.batch_id
)

select
    'VALIDATION_EXPRESSION_DOMAIN' as validation_code,
    batch_id,
    study_accession_code,
    study_accession_code as subject,
    finding
from batches
where finding is not null
