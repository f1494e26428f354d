select
    'UNIT_UNDETECTED' as validation_code,
    s.batch_id,
    s.study_accession_code,
    s.study_accession_code as subject,
    coalesce(s.unit_contradiction, concat(
        'technology ', coalesce(s.study_technology, 'none'),
        ', values ', coalesce(cast(b.value_min as {{ type_text(30) }}), 'none'),
        ' to ', coalesce(cast(b.value_max as {{ type_text(30) }}), 'none')
    )) as finding
from {{ ref('stg_study') }} as s
inner join {{ ref('int_candidate_batch') }} as c on s.batch_id = c.batch_id
inner join {{ ref('stg_batch') }} as b on s.batch_id = b.batch_id
where s.study_unit_tag is null
