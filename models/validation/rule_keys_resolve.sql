-- depends_on: {{ ref('int_source_finding') }}
with batches as (
    select
        c.batch_id,
        c.study_accession_code
    from {{ ref('int_candidate_batch') }} as c
    inner join {{ ref('stg_batch') }} as b on c.batch_id = b.batch_id
),

staged_genes as (
    select distinct
        l.batch_id,
        l.gene_id
    from {{ ref('int_gene_line') }} as l
    inner join batches as b on l.batch_id = b.batch_id
),

staged_samples as (
    select distinct
        r.batch_id,
        r.sample_accession_code
    from {{ source('staging', 'expression_rows') }} as r
    inner join batches as b on r.batch_id = b.batch_id
)

select
    'TRANSFORMATION_DIMENSION_LOOKUP_FAILED' as validation_code,
    b.batch_id,
    b.study_accession_code,
    r.gene_id as subject,
    'the gene has no key' as finding
from batches as b
inner join staged_genes as r on b.batch_id = r.batch_id
left join {{ ref('dim_gene') }} as g on r.gene_id = g.gene_id
where g.gene_key is null
union all
select
    'TRANSFORMATION_DIMENSION_LOOKUP_FAILED' as validation_code,
    b.batch_id,
    b.study_accession_code,
    r.sample_accession_code as subject,
    'the sample has no key' as finding
from batches as b
inner join staged_samples as r on b.batch_id = r.batch_id
left join {{ ref('stg_sample') }} as n on r.batch_id = n.batch_id and r.sample_accession_code = n.sample_accession_code
left join {{ ref('dim_sample') }} as m on n.sample_natural_key = m.sample_natural_key
where m.sample_key is null
