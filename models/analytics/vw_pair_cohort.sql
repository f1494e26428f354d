{%- set slice = ['disease_key', 'technology', 'organism'] -%}
{%- set study = slice + ['study_key'] -%}

-- The pair of the session: per-study estimates of all pairs are not kept, those of one are quick.
with pair as (
    select
        pair_key,
        gene_a_key,
        gene_b_key
    from {{ ref('dim_gene_pair') }}
    where pair_key = {{ session_number('pair_key', -1) }}
),

pair_genes as (
    select gene_a_key as gene_key
    from pair
    union all
    select gene_b_key as gene_key
    from pair
),

gene_values as {{ materialized() }}(
    select
        e.study_key,
        e.gene_key,
        e.sample_key,
        e.expression_value
    from {{ ref('vw_expression_export') }} as e
    where e.gene_key in (select g.gene_key from pair_genes as g)
),

candidate_values as (
    select
        {{ group_columns(study, 's') }},
        s.illness_key,
        st.study_unit_tag,
        v.gene_key,
        v.sample_key,
        v.expression_value as value
    from gene_values as v
    inner join {{ ref('stg_slice_sample') }} as s on v.study_key = s.study_key and v.sample_key = s.sample_key
    inner join {{ ref('stg_slice_cohort') }} as c
        on {{ same_group(study + ['illness_key'], 's', 'c') }} and c.is_large_enough = 1
    inner join {{ ref('dim_study') }} as st on v.study_key = st.study_key
),

-- A gene that is not expressed in a cohort has no correlation there.
detected as (
    {{ detected_genes('candidate_values', study + ['illness_key']) | indent(4) }}
),

study_values as {{ materialized() }}(
    select
        {{ group_columns(study, 'v') }},
        v.illness_key,
        v.gene_key,
        v.sample_key,
        v.value
    from candidate_values as v
    inner join detected as d on {{ same_group(study + ['illness_key', 'gene_key'], 'v', 'd') }}
    where d.is_detected = 1
),

study_pairs as (
    select distinct
        {{ group_columns(study, 'v') }},
        p.pair_key,
        p.gene_a_key,
        p.gene_b_key
    from study_values as v
    cross join pair as p
),

{{ pair_correlations('rho', 'study_pairs', 'study_values', study) }}

select
    r.pair_key,
    r.disease_key,
    d.disease_label,
    r.technology,
    r.organism,
    r.study_key,
    st.study_accession_code,
    r.illness_key,
    i.illness_label,
    cast(r.n as integer) as n,
    {{ clip_r('r.r', 'r.n') }} as r,
    {{ fisher_z('r.r', 'r.n') }} as theta,
    {{ spearman_se(clip_r('r.r', 'r.n'), 'r.n') }} as se
from rho as r
inner join {{ ref('dim_disease') }} as d on r.disease_key = d.disease_key
inner join {{ ref('dim_study') }} as st on r.study_key = st.study_key
inner join {{ ref('dim_illness') }} as i on r.illness_key = i.illness_key
where r.n >= {{ [var('min_cohort_samples') | int, 4] | max }}
