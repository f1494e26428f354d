-- A study needs exactly one active mapping: none is 54001, several are 54002, and both leave it out.
with mapped as (
    select
        study_key,
        min(disease_key) as disease_key
    from {{ ref('study_disease_map') }}
    where is_active = 1
    group by study_key
    having count(*) = 1
)

select
    m.disease_key,
    s.study_technology as technology,
    s.study_key,
    b.batch_id,
    b.loaded_at
from mapped as m
inner join {{ ref('dim_study') }} as s on m.study_key = s.study_key
inner join {{ ref('stg_loaded_batch') }} as b on s.study_accession_code = b.study_accession_code
