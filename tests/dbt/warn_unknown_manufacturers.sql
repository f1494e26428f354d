-- 3002 TRANSFORMATION_PLATFORM_NORMALIZATION_FAILED: seed platform_lookup does not tell the
-- manufacturer of a platform. UNKNOWN stands for samples without a platform and is left out.
{{ config(severity='warn') }}

select
    p.platform_accession,
    p.platform_name,
    count(*) as sample_count
from {{ ref('dim_platform') }} as p
inner join {{ ref('dim_sample') }} as m on p.platform_key = m.platform_key
inner join {{ ref('dim_study') }} as s on m.study_key = s.study_key
where
    p.manufacturer = 'Unknown'
    and p.platform_accession <> 'UNKNOWN'
    and {{ is_selected_study('s.study_accession_code') }}
group by p.platform_accession, p.platform_name
