-- Batches are numbered first: grouping by the number takes a third of the time of grouping by the
-- 64-character batch_id.
with numbered as (
    select
        c.batch_id,
        c.study_accession_code,
        b.sample_count,
        row_number() over (order by c.batch_id) as batch_number
    from {{ ref('int_candidate_batch') }} as c
    inner join {{ ref('stg_batch') }} as b on c.batch_id = b.batch_id
),

staged_genes as (
    select
        n.batch_number,
        r.line_no,
        max(r.gene_id) as gene_id,
        count(*) as row_count,
        count(distinct r.sample_accession_code) as sample_count
    from {{ source('staging', 'expression_rows') }} as r
    inner join numbered as n on r.batch_id = n.batch_id
    group by n.batch_number, r.line_no
)

select
    'VALIDATION_DUPLICATE_GENES' as validation_code,
    n.batch_id,
    n.study_accession_code,
    g.gene_id as subject,
    concat(
        {{ counted('g.row_count', 'row') }}, ' of ', {{ counted('g.sample_count', 'sample') }},
        '; the batch has ', {{ counted('n.sample_count', 'sample') }}
    ) as finding
from staged_genes as g
inner join numbered as n on g.batch_number = n.batch_number
where g.row_count <> n.sample_count or g.row_count <> g.sample_count
