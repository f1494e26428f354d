select
    batch_id,
    study_accession_code,
    file_name,
    file_hash,
    row_count,
    staged_at,
    quarantine_reason
from {{ source('staging', 'batch') }}
where status = 'QUARANTINED'
