{{ config(materialized=table_read_in_batches()) }}

-- Within a study, each side of a contrast is the weighted mean of its cohorts, each correlated by
-- itself: differences of means between cohorts are not taken for correlation.
with sides as (
    select
        e.slice_no,
        e.study_no,
        e.pair_key,
        c.contrast_key,
        {{ sides_of_contrast() }}
    from {{ ref('int_study_pair_cohort') }} as e
    inner join {{ ref('int_slice') }} as i on e.slice_no = i.slice_no
    inner join {{ ref('stg_contrast_cohort') }} as c
        on i.disease_key = c.disease_key and e.illness_key = c.illness_key
    group by e.slice_no, e.study_no, e.pair_key, c.contrast_key
)

select
    s.slice_no,
    s.study_no,
    s.pair_key,
    s.contrast_key,
    cast(s.n as integer) as n,
    {{ difference_of_sides('s') }}
from sides as s
where s.case_weight > 0e0 and s.reference_weight > 0e0
