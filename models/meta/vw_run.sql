{%- set commands = "('run', 'ingest', 'load-pairs', 'annotation update', 'annotation snapshot', 'publish', 'screen', 'correlate', 'rank', 'calibrate', 'export-features', 'purge_staging', 'purge_db_logs', 'release_batch', 'upsert_study_disease_map')" %}
with steps as (
    select
        run_id,
        step,
        status,
        attempt,
        started_at,
        ended_at,
        rows_written,
        error_code,
        error_message,
        case
            when step = 'run' then 1
            when step in {{ commands }} or step like 'dbt %' then 2
            else 3
        end as rank_of_kind
    from {{ source('meta', 'meta_etl_process_log') }}
),

-- The outermost command identifies a run: `run` contains `ingest` and `dbt build`.
commands as (
    select
        run_id,
        step as command,
        status,
        started_at,
        ended_at,
        error_code,
        error_message,
        row_number() over (partition by run_id order by rank_of_kind, attempt desc, started_at desc) as row_no
    from steps
    where rank_of_kind < 3
),

failures as (
    select
        run_id,
        step,
        error_code,
        error_message,
        row_number() over (partition by run_id order by ended_at, step) as row_no
    from steps
    where rank_of_kind = 3 and status = 'FAILED'
),

totals as (
    select
        run_id,
        max(attempt) as attempts,
        min(started_at) as started_at,
        sum(case when step = 'stage_study' and status = 'SUCCESS' then 1 else 0 end) as studies_staged,
        sum(case when step = 'stage_study' and status = 'SUCCESS' then coalesce(rows_written, 0) else 0 end) as rows_staged,
        sum(case when step = 'stage_study' and status = 'SUCCESS' and rows_written > 0 then {{ seconds_between('started_at', 'ended_at') }} else 0e0 end) as staging_seconds,
        sum(case when step = 'load_batch' then coalesce(rows_written, 0) else 0 end) as rows_loaded,
        sum(case when rank_of_kind = 3 and status = 'FAILED' then 1 else 0 end) as failed_step_count
    from steps
    group by run_id
)

select
    c.run_id,
    c.command,
    c.status,
    t.attempts,
    t.started_at,
    c.ended_at,
    {{ seconds_between('t.started_at', 'c.ended_at') }} as seconds,
    cast(t.studies_staged as integer) as studies_staged,
    cast(t.rows_staged as bigint) as rows_staged,
    t.staging_seconds,
    cast(t.rows_loaded as bigint) as rows_loaded,
    cast(t.failed_step_count as integer) as failed_step_count,
    f.step as failed_step,
    case
        when c.status <> 'FAILED' then null
        when c.error_message is not null then c.error_code
        else f.error_code
    end as error_code,
    case when c.status = 'FAILED' then coalesce(c.error_message, f.error_message) end as error_message
from commands as c
inner join totals as t on c.run_id = t.run_id
left join failures as f on c.run_id = f.run_id and f.row_no = 1
where c.row_no = 1
