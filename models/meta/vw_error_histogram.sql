-- A dbt node counts only if its error is in the catalog; other errors are visible in their run. A command
-- that failed because one of its steps failed is not counted again.
select
    p.error_code,
    e.error_name,
    cast(count(*) as integer) as error_count,
    cast(count(distinct p.run_id) as integer) as run_count,
    max(p.ended_at) as last_at
from {{ source('meta', 'meta_etl_process_log') }} as p
inner join {{ ref('error_code') }} as e on p.error_code = e.error_code
where
    p.status = 'FAILED'
    and p.started_at > {{ instant_days_ago(30) }}
    and not (
        (p.step in ('run', 'ingest') or p.step like 'dbt %')
        and exists (
            select 1
            from {{ source('meta', 'meta_etl_process_log') }} as i
            where
                i.run_id = p.run_id
                and i.error_code = p.error_code
                and i.step not in ('run', 'ingest')
                and i.step not like 'dbt %'
        )
    )
group by p.error_code, e.error_name
