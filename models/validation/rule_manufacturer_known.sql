-- UNKNOWN is the platform of samples without a platform; they are left out. The dimension keeps samples that their
-- study no longer has.
select
    'TRANSFORMATION_PLATFORM_NORMALIZATION_FAILED' as validation_code,
    s.current_batch_id as batch_id,
    s.study_accession_code,
    p.platform_accession as subject,
    concat(p.platform_name, ', ', {{ counted('count(*)', 'sample') }}) as finding
from {{ ref('dim_platform') }} as p
inner join {{ ref('dim_sample') }} as m on p.platform_key = m.platform_key
inner join {{ ref('dim_study') }} as s on m.study_key = s.study_key
inner join {{ ref('stg_sample') }} as n on s.current_batch_id = n.batch_id and m.sample_natural_key = n.sample_natural_key
where
    p.manufacturer = 'Unknown'
    and p.platform_accession <> 'UNKNOWN'
    and {{ is_selected_study('s.study_accession_code') }}
group by s.current_batch_id, s.study_accession_code, p.platform_accession, p.platform_name
