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
    'LOAD_RECONCILIATION_FAILED' as validation_code,
    b.batch_id,
    b.study_accession_code,
    b.study_accession_code as subject,
    concat(
        {{ counted('coalesce(f.row_count, 0)', 'row') }}, ' in the fact, ',
        {{ counted('b.gene_count', 'gene') }}, ' x ', {{ counted('b.sample_count', 'sample') }}, ' - ', b.null_count, ' missing - ',
        coalesce(b.merged_count, 0), ' merged expected'
    ) as finding
from {{ ref('stg_batch') }} as b
inner join {{ ref('dim_study') }} as s on b.batch_id = s.current_batch_id
left join fact_rows as f on b.batch_id = f.batch_id
where
    b.status <> 'STAGED'
    and {{ is_selected_study('b.study_accession_code') }}
    and coalesce(f.row_count, 0) <> b.gene_count * b.sample_count - b.null_count - coalesce(b.merged_count, 0)
