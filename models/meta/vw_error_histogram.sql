-- Of a node of dbt only errors of the catalog count; the others stand in their run.
select
    p.error_code,
    e.error_name,
    count(distinct p.run_id) as error_count,
    max(p.ended_at) as last_at
from {{ source('meta', 'meta_etl_process_log') }} as p
inner join {{ ref('error_code') }} as e on p.error_code = e.error_code
where p.status = 'FAILED' and p.started_at > {{ instant_days_ago(30) }}
group by p.error_code, e.error_name
