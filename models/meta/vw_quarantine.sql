with batches as (
    select
        batch_id,
        study_accession_code,
        file_name,
        file_hash,
        row_count,
        staged_at,
        status,
        quarantine_reason,
        {{ recency_of_batch() }} as recency
    from {{ source('staging', 'batch') }}
),

loaded as (
    select
        study_accession_code,
        min(recency) as recency
    from batches
    where status in ('LOADED', 'PURGED')
    group by study_accession_code
)

select
    q.batch_id,
    q.study_accession_code,
    q.file_name,
    q.file_hash,
    q.row_count,
    q.staged_at,
    q.quarantine_reason
from batches as q
left join loaded as l on q.study_accession_code = l.study_accession_code
where
    q.status = 'QUARANTINED'
    -- No newer batch of the study is loaded in its place.
    and (l.recency is null or l.recency > q.recency)
