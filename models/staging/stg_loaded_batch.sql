with loaded as (
    select
        batch_id,
        study_accession_code,
        loaded_at,
        row_count,
        row_number() over (
            partition by study_accession_code
            order by created_at desc, staged_at desc, batch_id asc
        ) as recency
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
