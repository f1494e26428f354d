{%- set study = ['disease_key', 'technology', 'organism', 'study_key'] -%}

with sides as (
    select
        {{ group_columns(study, 'e') }},
        e.disease_label,
        e.study_accession_code,
        e.pair_key,
        c.contrast_key,
        {{ sides_of_contrast() }}
    from {{ ref('vw_pair_cohort') }} as e
    inner join {{ ref('stg_contrast_cohort') }} as c on e.disease_key = c.disease_key and e.illness_key = c.illness_key
    group by {{ group_columns(study, 'e') }}, e.disease_label, e.study_accession_code, e.pair_key, c.contrast_key
)

select
    s.pair_key,
    s.disease_key,
    s.disease_label,
    s.technology,
    s.organism,
    s.contrast_key,
    n.contrast,
    s.study_key,
    s.study_accession_code,
    cast(s.n as integer) as n,
    {{ tanh_of('s.case_z') }} as case_r,
    {{ tanh_of('s.reference_z') }} as reference_r,
    {{ difference_of_sides('s') }}
from sides as s
inner join {{ ref('dim_contrast') }} as n on s.contrast_key = n.contrast_key
where s.case_weight > 0e0 and s.reference_weight > 0e0
