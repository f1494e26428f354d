-- 3003 TRANSFORMATION_DIMENSION_LOOKUP_FAILED: a staged gene or sample of a current batch has no
-- key, so that its values cannot come into the fact. Works on the distinct genes and samples of
-- each batch, not on the rows. Runs after the fact, so that one such study does not keep the others
-- out too.
{{ config(severity='error') }}

-- depends_on: {{ ref('fact_gene_expression') }}

with staged_genes as (
    select distinct
        r.batch_id,
        r.gene_id
    from {{ source('staging', 'expression_rows') }} as r
    where {{ is_selected_study('r.study_accession_code') }}
),

staged_samples as (
    select distinct
        r.batch_id,
        r.sample_accession_code
    from {{ source('staging', 'expression_rows') }} as r
    where {{ is_selected_study('r.study_accession_code') }}
)

select
    b.study_accession_code,
    b.batch_id,
    'gene' as dimension,
    r.gene_id as natural_key
from staged_genes as r
inner join {{ ref('stg_batch') }} as b on r.batch_id = b.batch_id
left join {{ ref('dim_gene') }} as g on r.gene_id = g.gene_id
where g.gene_key is null
union all
select
    b.study_accession_code,
    b.batch_id,
    'sample' as dimension,
    r.sample_accession_code as natural_key
from staged_samples as r
inner join {{ ref('stg_batch') }} as b on r.batch_id = b.batch_id
left join {{ ref('dim_sample') }} as m on r.sample_accession_code = m.sample_accession_code
where m.sample_key is null
