with loaded as (
    select
        batch_id,
        study_accession_code,
        loaded_at,
        row_count,
        {{ recency_of_batch() }} as recency
    from {{ source('staging', 'batch') }}
    where loaded_at is not null
)

select
    batch_id,
    study_accession_code,
    loaded_at,
    row_count
from loaded
where recency = 1
