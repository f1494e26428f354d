{{ config(materialized=table_in_batches(), batches='pair_batches') }}

-- What its batches are made of.
-- depends_on: {{ ref('int_slice_pair') }}, {{ ref('int_slice_study') }}

with {{ pool_contrasts('pooled', slice_study_count(), ref('int_study_pair_contrast'), ref('int_pair_cohort'), ref('int_slice'), ref('stg_contrast_cohort')) }}

select *
from pooled
