select
    'VALIDATION_KS_FAILED' as validation_code,
    l.batch_id,
    l.study_accession_code,
    l.study_accession_code as subject,
    q.ks_warning as finding
from {{ ref('stg_loaded_batch') }} as l
inner join {{ ref('stg_study_qc') }} as q on l.batch_id = q.batch_id
where
    q.ks_warning is not null
    and coalesce(q.ks_pvalue, 0e0) < {{ var('ks_pvalue_min') }}
    and {{ is_selected_study('l.study_accession_code') }}
