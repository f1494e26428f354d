{{ config(materialized=table_in_batches(), batches='pair_batches') }}

-- What its batches are made of.
-- depends_on: {{ ref('int_slice_pair') }}, {{ ref('int_slice_study') }}
{%- set group = ['slice_no', 'contrast_key', 'pair_key'] %}

with estimates as (
    select
        e.slice_no,
        e.contrast_key,
        e.pair_key,
        e.study_no,
        e.theta,
        e.se,
        e.n
    from {{ ref('int_study_pair_contrast') }} as e
    where e.pair_key {{ batch() }}
),

{{ pool_estimates('pooled', 'estimates', group, slice_study_count()) }}

select *
from pooled
