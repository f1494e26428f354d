-- A row per side: SQL Server sorts one list per select.
with sides as (
    select
        s.disease_key,
        s.technology,
        s.organism,
        c.contrast_key,
        s.study_key,
        c.side,
        sum(s.sample_count) as sample_count,
        {{ sorted_list("concat(s.illness_label, '=', s.sample_count)") }} as cohorts
    from {{ ref('stg_slice_cohort') }} as s
    inner join {{ ref('stg_contrast_cohort') }} as c
        on s.disease_key = c.disease_key and s.illness_key = c.illness_key
    where s.is_large_enough = 1
    group by s.disease_key, s.technology, s.organism, c.contrast_key, s.study_key, c.side
)

select
    c.disease_key,
    d.disease_label,
    c.technology,
    c.organism,
    c.contrast_key,
    n.contrast,
    c.study_key,
    st.study_accession_code,
    cast(c.cohorts as {{ type_text(500) }}) as case_cohorts,
    cast(r.cohorts as {{ type_text(500) }}) as reference_cohorts,
    cast(c.sample_count as integer) as case_samples,
    cast(r.sample_count as integer) as reference_samples
from sides as c
inner join sides as r on {{ same_group(slice_columns() + ['contrast_key', 'study_key'], 'c', 'r') }} and r.side = 'REFERENCE'
inner join {{ ref('dim_disease') }} as d on c.disease_key = d.disease_key
inner join {{ ref('dim_contrast') }} as n on c.contrast_key = n.contrast_key
inner join {{ ref('dim_study') }} as st on c.study_key = st.study_key
where c.side = 'CASE'
