{{
    config(
        materialized=table_in_batches(),
        batches='study_batches',
        indexes=table_indexes([{'columns': ['slice_no', 'study_no', 'gene_key'], 'type': 'clustered'}])
    )
}}

-- A table: SQL Server would read the fact each time that the correlations mention their values.
with candidate_genes as (
    select
        slice_no,
        gene_a_key as gene_key
    from {{ ref('int_slice_pair') }}
    union
    select
        slice_no,
        gene_b_key as gene_key
    from {{ ref('int_slice_pair') }}
),

-- The samples of cohorts that are large enough, in the slice that is theirs. cohort_no replaces the
-- columns of a cohort in the steps that read all values: on DuckDB that takes two thirds of the time.
slice_samples as (
    select
        n.slice_no,
        n.study_no,
        n.study_key,
        s.sample_key,
        s.illness_key,
        st.study_unit_tag,
        cast(dense_rank() over (order by n.slice_no, n.study_no, s.illness_key) as integer) as cohort_no
    from {{ ref('int_slice_study') }} as n
    inner join {{ ref('int_slice') }} as i on n.slice_no = i.slice_no
    inner join {{ ref('stg_slice_sample') }} as s
        on
            n.study_key = s.study_key
            and {{ same_slice('i', 's') }}
    inner join {{ ref('stg_slice_cohort') }} as c
        on
            s.study_key = c.study_key
            and s.illness_key = c.illness_key
            and {{ same_slice('i', 'c') }}
            and c.is_large_enough = 1
    inner join {{ ref('dim_study') }} as st on n.study_key = st.study_key
    where n.slice_study_no {{ batch() }}
),

cohorts as (
    select distinct
        cohort_no,
        slice_no,
        study_no,
        illness_key,
        study_unit_tag
    from slice_samples
),

-- The outer join keeps the order of the joins: the values stream past the genes. The engine would
-- otherwise build a hash table of all values, which takes half as long again.
candidate_values as (
    select
        s.cohort_no,
        e.gene_key,
        e.sample_key,
        e.expression_value as value
    from {{ ref('vw_expression_export') }} as e
    inner join slice_samples as s on e.study_key = s.study_key and e.sample_key = s.sample_key
    left join candidate_genes as g on s.slice_no = g.slice_no and e.gene_key = g.gene_key
    where g.gene_key is not null
),

values_of_units as (
    select
        v.cohort_no,
        v.gene_key,
        v.value,
        c.study_unit_tag
    from candidate_values as v
    inner join cohorts as c on v.cohort_no = c.cohort_no
),

-- A gene that is not expressed in a cohort has no correlation there: its ranks would be noise, or
-- the library size.
detected as (
    {{ detected_genes('values_of_units', ['cohort_no']) | indent(4) }}
)

select
    c.slice_no,
    c.study_no,
    c.illness_key,
    v.gene_key,
    v.sample_key,
    v.value
from candidate_values as v
inner join detected as d on v.cohort_no = d.cohort_no and v.gene_key = d.gene_key
inner join cohorts as c on v.cohort_no = c.cohort_no
where d.is_detected = 1
