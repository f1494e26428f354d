select
    'VALIDATION_NULL_PERCENTAGE_HIGH' as validation_code,
    c.batch_id,
    c.study_accession_code,
    c.study_accession_code as subject,
    concat(b.null_count, ' of ', b.gene_count * b.sample_count, ' values are missing') as finding
from {{ ref('int_candidate_batch') }} as c
inner join {{ ref('stg_batch') }} as b on c.batch_id = b.batch_id
where b.null_count > {{ var('null_share_max') }}e0 * b.gene_count * b.sample_count
