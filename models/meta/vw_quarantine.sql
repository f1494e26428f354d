with ordered as (
    select
        b.*,
        row_number() over (
            partition by b.study_accession_code
            order by b.created_at desc, b.staged_at desc, b.batch_id asc
        ) as recency
    from {{ source('staging', 'batch') }} as b
),

-- The newest batch of each study that is in the fact.
compared as (
    select
        o.*,
        min(case when o.loaded_at is not null and o.status <> 'QUARANTINED' then o.recency end) over (
            partition by o.study_accession_code
        ) as loaded_recency
    from ordered as o
)

select
    batch_id,
    study_accession_code,
    file_name,
    file_hash,
    row_count,
    staged_at,
    quarantine_reason
from compared
where status = 'QUARANTINED' and (loaded_recency is null or recency < loaded_recency)
