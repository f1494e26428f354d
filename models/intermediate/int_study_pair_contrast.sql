{{ config(materialized=table_read_in_batches()) }}

-- Within a study, each side of a contrast is the weighted mean of its cohorts, each correlated by
-- itself: differences of means between cohorts are not taken for correlation.
with sides as (
    select
        e.slice_no,
        e.study_no,
        e.pair_key,
        c.contrast_key,
        sum(e.n) as n,
        {{ weighted_side('CASE') }} as case_z,
        {{ side_weight('CASE') }} as case_weight,
        {{ weighted_side('REFERENCE') }} as reference_z,
        {{ side_weight('REFERENCE') }} as reference_weight
    from {{ ref('int_study_pair_cohort') }} as e
    inner join {{ ref('int_slice') }} as i on e.slice_no = i.slice_no
    inner join {{ ref('stg_contrast_cohort') }} as c
        on i.disease_key = c.disease_key and e.illness_key = c.illness_key
    group by e.slice_no, e.study_no, e.pair_key, c.contrast_key
)

select
    slice_no,
    study_no,
    pair_key,
    contrast_key,
    cast(n as integer) as n,
    case_z - reference_z as theta,
    sqrt(1e0 / case_weight + 1e0 / reference_weight) as se
from sides
where case_weight > 0e0 and reference_weight > 0e0
