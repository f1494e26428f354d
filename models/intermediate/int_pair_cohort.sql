{{ config(materialized=table_in_batches(), batches='pair_batches') }}

-- What its batches are made of.
-- depends_on: {{ ref('int_slice_pair') }}, {{ ref('int_slice_study') }}
{%- set group = ['slice_no', 'illness_key', 'pair_key'] %}

with estimates as (
    select
        e.slice_no,
        e.illness_key,
        e.pair_key,
        e.study_no,
        e.theta,
        e.se,
        e.n
    from {{ ref('int_study_pair_cohort') }} as e
    where e.pair_key {{ batch() }}
),

{{ pool_effects('pooled', 'estimates', group, slice_study_count()) }}

select *
from pooled
