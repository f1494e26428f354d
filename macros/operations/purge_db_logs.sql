{#- Deletes old rows of the logs in schema meta.

    dbt run-operation purge_db_logs --args '{days: 180}'
    dbt run-operation purge_db_logs --args '{days: 180, dry_run: true}'
    ->  purge_db_logs: rows deleted: 950 of meta_etl_process_log and 12 of meta_data_validation_log

    Rows kept whatever their age: those of the last successful run, and the findings of batches that are
    still QUARANTINED. Everything happens in one transaction. A `days` that is not a whole number is 54030. -#}
{% macro purge_db_logs(days=180, dry_run=false) %}
    {% do require_days(days) %}
    {% do run_query(create_staging()) %}
    {% do run_query(create_meta()) %}
    {% do run_query('begin transaction') %}
    {% set before = read_instant_days_ago(days) %}
    {% set counts = run_query(count_logs_to_purge(before)).rows[0] %}
    {% if not dry_run %}
        {#- Findings first: the other log tells which run was the last successful one. #}
        {% do run_query(delete_old_findings(before)) %}
        {% do run_query(delete_old_steps(before)) %}
    {% endif %}
    {% do run_query('commit') %}
    {% do report_operation(
        'purge_db_logs', dry_run,
        {'step_count': counts[0] | int, 'finding_count': counts[1] | int},
        'rows deleted: ' ~ (counts[0] | int) ~ ' of meta_etl_process_log and '
        ~ (counts[1] | int) ~ ' of meta_data_validation_log'
    ) %}
{% endmacro %}


{#- A condition on a log row: it is old, and not of the last successful run. -#}
{% macro is_old_log_row(log, instant, before) -%}
{{ log }}.{{ instant }} < {{ before }}
    and {{ log }}.run_id not in (
        select s.run_id
        from {{ successful_runs() }} as s
        where
            s.started_at = (select max(m.started_at) from {{ successful_runs() }} as m)
    )
{%- endmacro %}

{% macro successful_runs() -%}
(
            select
                run_id,
                started_at
            from {{ source('meta', 'meta_etl_process_log') }}
            where step in ('run', 'dbt build') and status in ('SUCCESS', 'WARNING')
        )
{%- endmacro %}


{% macro is_old_step(before) -%}
{{ is_old_log_row(source('meta', 'meta_etl_process_log'), 'started_at', before) }}
{%- endmacro %}

{% macro is_old_finding(before) -%}
{{ is_old_log_row(source('meta', 'meta_data_validation_log'), 'created_at', before) }}
    and not exists (
        select 1
        from {{ source('staging', 'batch') }} as b
        where b.batch_id = {{ source('meta', 'meta_data_validation_log') }}.batch_id and b.status = 'QUARANTINED'
    )
{%- endmacro %}


{#- A query that returns one row: the number of steps and of findings to delete. -#}
{% macro count_logs_to_purge(before) -%}
select
    (
        select count(*)
        from {{ source('meta', 'meta_etl_process_log') }}
        where
            {{ is_old_step(before) | indent(8) }}
    ) as step_count,
    (
        select count(*)
        from {{ source('meta', 'meta_data_validation_log') }}
        where
            {{ is_old_finding(before) | indent(8) }}
    ) as finding_count
{%- endmacro %}


{% macro delete_old_steps(before) -%}
delete from {{ source('meta', 'meta_etl_process_log') }}
where
    {{ is_old_step(before) }}
{%- endmacro %}


{% macro delete_old_findings(before) -%}
delete from {{ source('meta', 'meta_data_validation_log') }}
where
    {{ is_old_finding(before) }}
{%- endmacro %}
