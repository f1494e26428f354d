select
    q.batch_id,
    q.study_accession_code,
    q.file_name,
    q.file_hash,
    q.row_count,
    q.staged_at,
    q.quarantine_reason
from {{ source('staging', 'batch') }} as q
where
    q.status = 'QUARANTINED'
    -- A newer batch of the study is loaded in its place.
    and not exists (
        select 1
        from {{ source('staging', 'batch') }} as l
        where
            l.study_accession_code = q.study_accession_code
            and l.status in ('LOADED', 'PURGED')
            and (l.created_at > q.created_at or (l.created_at = q.created_at and l.staged_at > q.staged_at))
    )
