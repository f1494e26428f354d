-- 4005 LOAD_RECONCILIATION_FAILED: a batch that a build has taken in has more or fewer rows in the
-- fact than its matrix has values: genes x samples = fact rows + nulls.
{{ config(severity='error') }}

with fact_rows as (
    select
        f.batch_id,
        count(*) as row_count
    from {{ ref('fact_gene_expression') }} as f
    inner join {{ ref('dim_study') }} as s on f.study_key = s.study_key
    where {{ is_selected_study('s.study_accession_code') }}
    group by f.batch_id
)

select
    b.study_accession_code,
    b.batch_id,
    b.gene_count,
    b.sample_count,
    b.null_count,
    coalesce(f.row_count, 0) as fact_row_count,
    b.gene_count * b.sample_count - b.null_count as expected_row_count
from {{ ref('stg_batch') }} as b
inner join {{ ref('dim_study') }} as st on b.batch_id = st.current_batch_id
left join fact_rows as f on b.batch_id = f.batch_id
where
    st.study_unit_tag is not null
    and {{ is_selected_study('b.study_accession_code') }}
    and coalesce(f.row_count, 0) <> b.gene_count * b.sample_count - b.null_count
