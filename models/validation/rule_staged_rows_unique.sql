with staged_genes as (
    select
        r.batch_id,
        r.gene_id,
        count(*) as row_count,
        count(distinct r.sample_accession_code) as sample_count
    from {{ source('staging', 'expression_rows') }} as r
    inner join {{ ref('int_candidate_batch') }} as c on r.batch_id = c.batch_id
    group by r.batch_id, r.gene_id
)

select
    'VALIDATION_DUPLICATE_GENES' as validation_code,
    c.batch_id,
    c.study_accession_code,
    g.gene_id as subject,
    concat(g.row_count, ' rows of ', g.sample_count, ' samples; the batch has ', b.sample_count, ' samples') as finding
from staged_genes as g
inner join {{ ref('int_candidate_batch') }} as c on g.batch_id = c.batch_id
inner join {{ ref('stg_batch') }} as b on g.batch_id = b.batch_id
where g.row_count <> b.sample_count or g.row_count <> g.sample_count
