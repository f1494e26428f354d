select
    'VALIDATION_NULL_PERCENTAGE_HIGH' as validation_code,
    l.batch_id,
    l.study_accession_code,
    l.study_accession_code as subject,
    concat(b.null_count, ' of ', b.gene_count * b.sample_count, ' values are missing') as finding
from {{ ref('stg_loaded_batch') }} as l
inner join {{ source('staging', 'batch') }} as b on l.batch_id = b.batch_id
where
    b.null_count > {{ var('null_share_max') }}e0 * b.gene_count * b.sample_count
    and {{ is_selected_study('l.study_accession_code') }}
