-- A table: many models read it, and it takes long to compute.
{{ config(materialized='table') }}

select
    s.disease_key,
    s.technology,
    s.organism,
    s.study_key,
    s.illness_key,
    i.illness_label,
    max(s.batch_id) as batch_id,
    max(s.loaded_at) as loaded_at,
    cast(count(*) as integer) as sample_count,
    -- Two sums that tell sets of samples apart, for the hash of a slice.
    concat(
        sum(cast(s.sample_key as bigint)), ' ', sum(cast(cast(s.sample_key as bigint) * cast(s.sample_key as bigint) as decimal(38, 0)))
    ) as sample_sums,
    cast(case when count(*) >= {{ min_cohort_samples() }} then 1 else 0 end as {{ type_flag() }}) as is_large_enough
from {{ ref('stg_slice_sample') }} as s
inner join {{ ref('dim_illness') }} as i on s.illness_key = i.illness_key
group by s.disease_key, s.technology, s.organism, s.study_key, s.illness_key, i.illness_label
