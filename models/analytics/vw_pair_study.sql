{%- set study = ['disease_key', 'technology', 'organism', 'study_key'] -%}

-- The same steps as in int_study_pair_contrast.
with sides as (
    select
        {{ group_columns(study, 'e') }},
        e.disease_label,
        e.study_accession_code,
        e.pair_key,
        c.contrast_key,
        sum(e.n) as n,
        {{ weighted_side('CASE') }} as case_z,
        {{ side_weight('CASE') }} as case_weight,
        {{ weighted_side('REFERENCE') }} as reference_z,
        {{ side_weight('REFERENCE') }} as reference_weight
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
    s.case_z - s.reference_z as theta,
    sqrt(1e0 / s.case_weight + 1e0 / s.reference_weight) as se
from sides as s
inner join {{ ref('dim_contrast') }} as n on s.contrast_key = n.contrast_key
where s.case_weight > 0e0 and s.reference_weight > 0e0
