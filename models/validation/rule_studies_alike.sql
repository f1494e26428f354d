-- Each two studies from either side. The last by accession is reported: keys follow the order in which studies came.
with sides as (
    select
        {{ slice_columns() | join(', ') }},
        illness_key,
        study_key_1,
        study_key_2,
        pair_count,
        variance_ratio
    from {{ ref('meta_study_likeness') }}
    union all
    select
        {{ slice_columns() | join(', ') }},
        illness_key,
        study_key_2 as study_key_1,
        study_key_1 as study_key_2,
        pair_count,
        variance_ratio
    from {{ ref('meta_study_likeness') }}
)

select
    'STUDIES_ALIKE' as validation_code,
    s.batch_id,
    t2.study_accession_code,
    concat(d.disease_label, ' ', l.technology, ' ', l.organism) as subject,
    concat(
        'its correlations in ', i.illness_label, ' are those of ', t1.study_accession_code, ': over ',
        {{ counted('l.pair_count', 'pair') }}, ' of genes, they differ ', cast(l.variance_ratio as decimal(3, 2)), ' times as much as those of other samples would'
    ) as finding
from sides as l
inner join {{ ref('stg_slice_study') }} as s
    on {{ same_slice('l', 's') }} and l.study_key_2 = s.study_key
inner join {{ ref('dim_disease') }} as d on l.disease_key = d.disease_key
inner join {{ ref('dim_illness') }} as i on l.illness_key = i.illness_key
inner join {{ ref('dim_study') }} as t1 on l.study_key_1 = t1.study_key
inner join {{ ref('dim_study') }} as t2 on l.study_key_2 = t2.study_key
where
    t1.study_accession_code < t2.study_accession_code
    and l.variance_ratio < {{ var('study_likeness_min') }}e0
    -- Over fewer pairs than those of 30 genes, few differences may be chance.
    and l.pair_count >= 435
    and ({{ is_selected_study('t1.study_accession_code') }} or {{ is_selected_study('t2.study_accession_code') }})
