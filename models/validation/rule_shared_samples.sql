with members as (
    select
        concat(d.disease_label, ' ', m.technology, ' ', m.organism) as slice_name,
        m.batch_id,
        m.study_key,
        st.study_accession_code,
        m.counting_study_key,
        m.is_duplicate,
        c.study_accession_code as counting_study_accession_code,
        s.sample_natural_key,
        i.illness_label
    from {{ ref('stg_slice_member') }} as m
    inner join {{ ref('dim_disease') }} as d on m.disease_key = d.disease_key
    inner join {{ ref('dim_study') }} as st on m.study_key = st.study_key
    inner join {{ ref('dim_study') }} as c on m.counting_study_key = c.study_key
    inner join {{ ref('dim_sample') }} as s on m.sample_key = s.sample_key
    inner join {{ ref('dim_illness') }} as i on m.illness_key = i.illness_key
    where m.is_repeat = 0
),

sizes as (
    select
        slice_name,
        study_key,
        count(*) as study_sample_count
    from members
    group by slice_name, study_key
),

cohorts as (
    select
        slice_name,
        batch_id,
        study_accession_code,
        illness_label,
        count(*) as cohort_sample_count,
        sum(case when counting_study_key = study_key and is_duplicate = 0 then 1 else 0 end) as left_count
    from members
    group by slice_name, batch_id, study_accession_code, illness_label
)

select
    'SAMPLES_SHARED' as validation_code,
    m.batch_id,
    m.study_accession_code,
    m.counting_study_accession_code as subject,
    concat(
        count(*), ' of its ', max(z.study_sample_count), ' samples in ', m.slice_name, ' count in ', m.counting_study_accession_code,
        ', which has them too: ', min(m.sample_natural_key),
        case when count(*) > 1 then concat(' to ', max(m.sample_natural_key)) else '' end
    ) as finding
from members as m
inner join sizes as z on m.slice_name = z.slice_name and m.study_key = z.study_key
where
    m.counting_study_key <> m.study_key
    and ({{ is_selected_study('m.study_accession_code') }} or {{ is_selected_study('m.counting_study_accession_code') }})
group by m.slice_name, m.batch_id, m.study_accession_code, m.counting_study_accession_code
union all
select
    'SAMPLES_SHARED' as validation_code,
    batch_id,
    study_accession_code,
    illness_label as subject,
    concat(
        left_count, ' of its ', cohort_sample_count, ' samples in ', slice_name,
        ' are left, fewer than the {{ min_cohort_samples() }} that a cohort needs: it takes no part'
    ) as finding
from cohorts
where
    cohort_sample_count >= {{ min_cohort_samples() }} and left_count < {{ min_cohort_samples() }}
    and {{ is_selected_study('study_accession_code') }}
