with runs as (
    select
        run_id,
        command,
        status,
        started_at,
        ended_at,
        rows_staged,
        staging_seconds,
        error_code,
        error_message,
        row_number() over (order by started_at desc) as recency,
        row_number() over (
            partition by case when status = 'SUCCESS' then 1 else 0 end
            order by started_at desc
        ) as recency_of_status,
        row_number() over (
            partition by case when rows_staged > 0 then 1 else 0 end
            order by started_at desc
        ) as recency_of_staging
    from {{ ref('vw_run') }}
    where command in ('run', 'ingest', 'dbt build')
),

-- A run that has not ended within a day is taken to have died; a later successful run makes up for it.
unfinished as (
    select cast(count(*) as integer) as run_count
    from {{ ref('vw_run') }} as r
    where
        r.status = 'RUNNING'
        and r.started_at < {{ instant_days_ago(1) }}
        and not exists (
            select 1
            from runs as l
            where l.status = 'SUCCESS' and l.started_at > r.started_at
        )
),

-- A run that had nothing to stage succeeds after a failed build as well.
builds as (
    select
        status,
        started_at,
        error_message,
        row_number() over (order by started_at desc, attempt desc) as recency
    from {{ source('meta', 'meta_etl_process_log') }}
    where step in ('dbt build', 'dbt run', 'dbt retry')
),

recent as (
    select
        cast(coalesce(sum(case when {{ seconds_between('started_at', utc_now()) }} < 3600e0 then 1 else 0 end), 0) as integer) as hour_count,
        cast(coalesce(sum(case when status = 'FAILED' then 1 else 0 end), 0) as integer) as failed_count
    from {{ ref('vw_run') }}
    where started_at > {{ instant_days_ago(1) }}
),

labels as (
    select
        count(*) as sample_count,
        sum(case when i.illness_label = 'UNKNOWN' then 1 else 0 end) as unknown_count
    from {{ ref('dim_sample') }} as s
    inner join {{ ref('dim_illness') }} as i on s.illness_key = i.illness_key
    -- The dimension keeps samples that their study no longer has.
    where exists (
        select 1
        from {{ ref('stg_sample') }} as n
        where n.sample_natural_key = s.sample_natural_key
    )
),

quarantine as (
    select cast(count(*) as integer) as batch_count
    from {{ ref('vw_quarantine') }}
)

select
    case when l.status = 'FAILED' or b.status = 'FAILED' or u.run_count > 0 then 0 else 1 end as is_healthy,
    l.run_id as last_run_id,
    l.command as last_command,
    l.status as last_status,
    l.started_at as last_started_at,
    l.ended_at as last_ended_at,
    l.error_code as last_error_code,
    l.error_message as last_error_message,
    s.run_id as last_success_run_id,
    s.ended_at as last_success_at,
    case when g.staging_seconds > 0e0 then g.rows_staged / g.staging_seconds end as rows_per_second,
    case when x.sample_count > 0 then 1e0 * x.unknown_count / x.sample_count end as unknown_illness_share,
    q.batch_count as quarantined_batch_count,
    u.run_count as unfinished_run_count,
    b.status as last_build_status,
    b.started_at as last_build_at,
    b.error_message as last_build_error_message,
    c.hour_count as runs_last_hour,
    c.failed_count as failed_runs_last_day
from unfinished as u
cross join recent as c
cross join labels as x
cross join quarantine as q
left join runs as l on l.recency = 1
left join runs as s on s.status = 'SUCCESS' and s.recency_of_status = 1
left join runs as g on g.rows_staged > 0 and g.recency_of_staging = 1
left join builds as b on b.recency = 1
