{{ config(materialized=table_in_batches(), batches='study_batches') }}
{%- set study = ['slice_no', 'study_no'] -%}

with studies as (
    select
        s.slice_no,
        s.study_no
    from {{ ref('int_slice_study') }} as s
    where s.slice_study_no {{ batch() }}
),

study_values as {{ materialized() }}(
    select
        v.slice_no,
        v.study_no,
        v.illness_key,
        v.gene_key,
        v.sample_key,
        v.value
    from {{ ref('int_slice_value') }} as v
    inner join studies as s on {{ same_group(study, 'v', 's') }}
),

-- Only pairs of which the study has both genes.
study_genes as (
    select distinct
        slice_no,
        study_no,
        gene_key
    from study_values
),

study_pairs as (
    select
        a.slice_no,
        a.study_no,
        p.pair_key,
        p.gene_a_key,
        p.gene_b_key
    from {{ ref('int_slice_pair') }} as p
    inner join study_genes as a on p.slice_no = a.slice_no and p.gene_a_key = a.gene_key
    inner join study_genes as b on {{ same_group(study, 'a', 'b') }} and p.gene_b_key = b.gene_key
),

-- 1. Spearman's r of each pair, study and cohort.
{{ pair_correlations('rho', 'study_pairs', 'study_values', study) }}

-- 2. Fisher's z and its standard error, if enough samples have both values.
select
    r.slice_no,
    r.study_no,
    r.pair_key,
    r.illness_key,
    cast(r.n as integer) as n,
    {{ fisher_z('r.r', 'r.n') }} as theta,
    {{ spearman_se(clip_r('r.r', 'r.n'), 'r.n') }} as se
from rho as r
where r.n >= {{ min_cohort_samples() }}
