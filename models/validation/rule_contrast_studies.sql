-- Every slice with every contrast of its disease, also those that no study can answer.
with asked as (
    select distinct
        s.disease_key,
        s.technology,
        s.organism,
        c.contrast_key
    from {{ ref('stg_slice_study') }} as s
    inner join {{ ref('stg_contrast_cohort') }} as c on s.disease_key = c.disease_key
)

select
    'CONTRAST_TOO_FEW_STUDIES' as validation_code,
    cast(null as {{ type_code(64) }}) as batch_id,
    cast(null as {{ type_code(50) }}) as study_accession_code,
    concat(d.disease_label, ' ', a.technology, ' ', a.organism, ' ', n.contrast) as subject,
    concat(
        count(v.study_key), ' of at least {{ var('k_min') }} studies (var k_min) have both sides',
        case when count(v.study_key) > 0 then concat(': ', {{ sorted_list('v.study_accession_code') }}) else '' end,
        '; pairs have no false discovery rate for it'
    ) as finding
from asked as a
inner join {{ ref('dim_disease') }} as d on a.disease_key = d.disease_key
inner join {{ ref('dim_contrast') }} as n on a.contrast_key = n.contrast_key
left join {{ ref('vw_contrast_study') }} as v
    on {{ same_group(slice_columns() + ['contrast_key'], 'a', 'v') }}
group by d.disease_label, a.technology, a.organism, n.contrast
having count(v.study_key) < {{ var('k_min') }}
