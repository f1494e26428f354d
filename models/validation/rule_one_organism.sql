with organisms as (
    select
        batch_id,
        sample_organism,
        count(*) as sample_count
    from {{ ref('stg_sample') }}
    where sample_organism is not null and sample_organism <> ''
    group by batch_id, sample_organism
)

select
    'STUDY_SEVERAL_ORGANISMS' as validation_code,
    b.batch_id,
    b.study_accession_code,
    b.study_accession_code as subject,
    {{ sorted_list("concat(o.sample_organism, ' ', o.sample_count)") }} as finding
from organisms as o
inner join {{ ref('stg_batch') }} as b on o.batch_id = b.batch_id
where {{ is_selected_study('b.study_accession_code') }}
group by b.batch_id, b.study_accession_code
having count(*) > 1
