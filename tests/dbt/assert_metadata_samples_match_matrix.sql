-- 54010 SOURCE_MISMATCH_SAMPLES: a sample of a current batch stands only in the matrix or only in
-- the metadata. Batches whose rows are purged have no matrix to compare with. Runs after the fact,
-- so that one such study does not keep the others out too.
{{ config(severity='error') }}

-- depends_on: {{ ref('fact_gene_expression') }}

with batches as (
    select
        batch_id,
        study_accession_code
    from {{ ref('stg_batch') }}
    where
        status in ('STAGED', 'LOADED')
        and {{ is_selected_study('study_accession_code') }}
),

in_matrix as (
    select distinct
        batch_id,
        sample_accession_code
    from {{ source('staging', 'expression_rows') }}
    where {{ is_selected_study('study_accession_code') }}
),

in_metadata as (
    select
        batch_id,
        sample_accession_code
    from {{ ref('stg_sample') }}
    where {{ is_selected_study('study_accession_code') }}
)

select
    b.study_accession_code,
    b.batch_id,
    x.sample_accession_code,
    'only in the matrix' as finding
from batches as b
inner join in_matrix as x on b.batch_id = x.batch_id
left join in_metadata as d on x.batch_id = d.batch_id and x.sample_accession_code = d.sample_accession_code
where d.sample_accession_code is null
union all
select
    b.study_accession_code,
    b.batch_id,
    d.sample_accession_code,
    'only in the metadata' as finding
from batches as b
inner join in_metadata as d on b.batch_id = d.batch_id
left join in_matrix as x on d.batch_id = x.batch_id and d.sample_accession_code = x.sample_accession_code
where x.sample_accession_code is null
