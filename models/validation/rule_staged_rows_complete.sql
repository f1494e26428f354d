with staged as (
    select
        r.batch_id,
        count(*) as row_count,
        count(distinct r.line_no) as gene_count,
        count(distinct r.sample_accession_code) as sample_count,
        sum(case when r.expression_value is null then 1 else 0 end) as null_count
    from {{ source('staging', 'expression_rows') }} as r
    inner join {{ ref('int_candidate_batch') }} as c on r.batch_id = c.batch_id
    group by r.batch_id
)

select
    'LOAD_RECONCILIATION_FAILED' as validation_code,
    c.batch_id,
    c.study_accession_code,
    c.study_accession_code as subject,
    concat(
        'staged ', {{ counted('coalesce(s.row_count, 0)', 'row') }}, ', ', {{ counted('coalesce(s.gene_count, 0)', 'gene') }}, ', ',
        {{ counted('coalesce(s.sample_count, 0)', 'sample') }}, ', ', coalesce(s.null_count, 0), ' missing; register ',
        {{ counted('b.row_count', 'row') }}, ', ', {{ counted('b.gene_count', 'gene') }}, ', ',
        {{ counted('b.sample_count', 'sample') }}, ', ', b.null_count, ' missing'
    ) as finding
from {{ ref('int_candidate_batch') }} as c
inner join {{ source('staging', 'batch') }} as b on c.batch_id = b.batch_id
left join staged as s on c.batch_id = s.batch_id
where
    coalesce(s.row_count, 0) <> b.row_count
    or coalesce(s.gene_count, 0) <> b.gene_count
    or coalesce(s.sample_count, 0) <> b.sample_count
    or coalesce(s.null_count, 0) <> b.null_count
