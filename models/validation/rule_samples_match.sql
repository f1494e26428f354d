with in_matrix as (
    select distinct
        r.batch_id,
        r.sample_accession_code
    from {{ source('staging', 'expression_rows') }} as r
    inner join {{ ref('int_candidate_batch') }} as b on r.batch_id = b.batch_id
),

in_metadata as (
    select
        s.batch_id,
        s.sample_accession_code
    from {{ ref('stg_sample') }} as s
    inner join {{ ref('int_candidate_batch') }} as b on s.batch_id = b.batch_id
)

select
    'SOURCE_MISMATCH_SAMPLES' as validation_code,
    b.batch_id,
    b.study_accession_code,
    coalesce(x.sample_accession_code, d.sample_accession_code) as subject,
    case when d.sample_accession_code is null then 'only in the matrix' else 'only in the metadata' end as finding
from in_matrix as x
full outer join in_metadata as d on x.batch_id = d.batch_id and x.sample_accession_code = d.sample_accession_code
inner join {{ ref('int_candidate_batch') }} as b on coalesce(x.batch_id, d.batch_id) = b.batch_id
where x.sample_accession_code is null or d.sample_accession_code is null
