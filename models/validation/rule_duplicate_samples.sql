-- Each pair from either side. The last by natural key is reported: surrogate keys follow the order in which studies came.
with sides as (
    select
        sample_key_1,
        study_key_1,
        sample_key_2,
        study_key_2,
        batch_id_2,
        compared_gene_count,
        equal_gene_count
    from {{ ref('fact_duplicate_sample') }}
    union all
    select
        sample_key_2 as sample_key_1,
        study_key_2 as study_key_1,
        sample_key_1 as sample_key_2,
        study_key_1 as study_key_2,
        batch_id_1 as batch_id_2,
        compared_gene_count,
        equal_gene_count
    from {{ ref('fact_duplicate_sample') }}
)

select
    'SAMPLES_DUPLICATED' as validation_code,
    d.batch_id_2 as batch_id,
    t2.study_accession_code,
    s2.sample_accession_code as subject,
    concat(
        'has the values of ', s1.sample_accession_code,
        case when d.study_key_1 <> d.study_key_2 then concat(' of ', t1.study_accession_code) else '' end,
        ' in ', d.equal_gene_count, ' of ', d.compared_gene_count, ' genes',
        case when i1.illness_label <> i2.illness_label then concat(', as ', i2.illness_label, ' and ', i1.illness_label) else '' end
    ) as finding
from sides as d
inner join {{ ref('dim_sample') }} as s1 on d.sample_key_1 = s1.sample_key
inner join {{ ref('dim_sample') }} as s2 on d.sample_key_2 = s2.sample_key
inner join {{ ref('dim_study') }} as t1 on d.study_key_1 = t1.study_key
inner join {{ ref('dim_study') }} as t2 on d.study_key_2 = t2.study_key
inner join {{ ref('dim_illness') }} as i1 on s1.illness_key = i1.illness_key
inner join {{ ref('dim_illness') }} as i2 on s2.illness_key = i2.illness_key
where
    s1.sample_natural_key < s2.sample_natural_key
    and ({{ is_selected_study('t1.study_accession_code') }} or {{ is_selected_study('t2.study_accession_code') }})
