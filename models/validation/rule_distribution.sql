select
    'VALIDATION_KS_FAILED' as validation_code,
    c.batch_id,
    c.study_accession_code,
    c.study_accession_code as subject,
    q.ks_warning as finding
from {{ ref('int_candidate_batch') }} as c
inner join {{ ref('stg_study_qc') }} as q on c.batch_id = q.batch_id
where
    q.ks_warning is not null
    and coalesce(q.ks_pvalue, 0e0) < {{ var('ks_pvalue_min') }}
