{%- set cohort = slice_columns() + ['study_key', 'illness_key'] -%}

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

-- Engines compare one number faster than the columns that identify a cohort.
cohorts as {{ materialized() }}(
    select
        {{ group_columns(cohort, 'c') }},
        row_number() over (order by {{ group_columns(cohort, 'c') }}) as cohort_no,
        st.study_accession_code,
        st.study_unit_tag
    from {{ ref('stg_slice_cohort') }} as c
    inner join {{ ref('dim_study') }} as st on c.study_key = st.study_key
    where c.is_large_enough = 1
),

candidate_values as {{ materialized() }}(
    select
        c.cohort_no,
        c.study_unit_tag,
        v.gene_key,
        v.sample_key,
        v.expression_value as value
    from gene_values as v
    inner join {{ ref('stg_slice_sample') }} as s on v.study_key = s.study_key and v.sample_key = s.sample_key
    inner join cohorts as c on {{ same_group(cohort, 's', 'c') }}
),

-- A gene that is not expressed in a cohort has no correlation there.
detected as {{ materialized() }}(
    {{ detected_genes('candidate_values', ['cohort_no']) | indent(4) }}
),

pair_values as (
    select
        a.cohort_no,
        a.value as value_a,
        b.value as value_b
    from pair as p
    inner join detected as da on p.gene_a_key = da.gene_key and da.is_detected = 1
    inner join detected as db on da.cohort_no = db.cohort_no and p.gene_b_key = db.gene_key and db.is_detected = 1
    inner join candidate_values as a on da.cohort_no = a.cohort_no and p.gene_a_key = a.gene_key
    inner join candidate_values as b
        on a.cohort_no = b.cohort_no and a.sample_key = b.sample_key and p.gene_b_key = b.gene_key
),

{{ correlate_pair_values('rho', 'pair_values', ['cohort_no']) }}

select
    p.pair_key,
    c.disease_key,
    d.disease_label,
    c.technology,
    c.organism,
    c.study_key,
    c.study_accession_code,
    c.illness_key,
    i.illness_label,
    cast(r.n as integer) as n,
    {{ clip_r('r.r', 'r.n') }} as r,
    {{ fisher_z('r.r', 'r.n') }} as theta,
    {{ spearman_se(clip_r('r.r', 'r.n'), 'r.n') }} as se
from rho as r
inner join cohorts as c on r.cohort_no = c.cohort_no
inner join {{ ref('dim_disease') }} as d on c.disease_key = d.disease_key
inner join {{ ref('dim_illness') }} as i on c.illness_key = i.illness_key
cross join pair as p
where r.n >= {{ min_cohort_samples() }}
