with sides as (
    select
        s.disease_key,
        s.technology,
        s.organism,
        c.contrast_key,
        s.study_key,
        max(case when c.side = 'CASE' then 1 else 0 end) as has_case,
        max(case when c.side = 'REFERENCE' then 1 else 0 end) as has_reference,
        sum(case when c.side = 'CASE' then s.sample_count else 0 end) as case_samples,
        sum(case when c.side = 'REFERENCE' then s.sample_count else 0 end) as reference_samples,
        {{ sorted_list("case when c.side = 'CASE' then concat(s.illness_label, '=', s.sample_count) end") }} as case_cohorts,
        {{ sorted_list("case when c.side = 'REFERENCE' then concat(s.illness_label, '=', s.sample_count) end") }} as reference_cohorts
    from {{ ref('stg_slice_cohort') }} as s
    inner join {{ ref('stg_contrast_cohort') }} as c
        on s.disease_key = c.disease_key and s.illness_key = c.illness_key
    where s.is_large_enough = 1
    group by s.disease_key, s.technology, s.organism, c.contrast_key, s.study_key
)

select
    s.disease_key,
    d.disease_label,
    s.technology,
    s.organism,
    s.contrast_key,
    n.contrast,
    s.study_key,
    st.study_accession_code,
    cast(s.case_cohorts as {{ type_text(500) }}) as case_cohorts,
    cast(s.reference_cohorts as {{ type_text(500) }}) as reference_cohorts,
    cast(s.case_samples as integer) as case_samples,
    cast(s.reference_samples as integer) as reference_samples
from sides as s
inner join {{ ref('dim_disease') }} as d on s.disease_key = d.disease_key
inner join {{ ref('dim_contrast') }} as n on s.contrast_key = n.contrast_key
inner join {{ ref('dim_study') }} as st on s.study_key = st.study_key
where s.has_case = 1 and s.has_reference = 1
