select
    'SUBJECTS_REPEATED' as validation_code,
    m.batch_id,
    st.study_accession_code,
    concat(d.disease_label, ' ', m.technology, ' ', m.organism) as subject,
    concat(
        sum(case when m.is_repeat = 1 then 1 else 0 end), ' of ', count(*),
        ' samples take no part, because the same cohort has an earlier sample of the subject ',
        '(without times: the first by accession)'
    ) as finding
from {{ ref('stg_slice_member') }} as m
inner join {{ ref('dim_disease') }} as d on m.disease_key = d.disease_key
inner join {{ ref('dim_study') }} as st on m.study_key = st.study_key
where {{ is_selected_study('st.study_accession_code') }}
group by m.batch_id, st.study_accession_code, d.disease_label, m.technology, m.organism
having max(case when m.is_repeat = 1 then 1 else 0 end) = 1
