{#- Deletes staged rows that are no longer needed; the values stay in the fact.

    dbt run-operation purge_staging --args '{days: 7}'
    dbt run-operation purge_staging --args '{days: 7, dry_run: true}'
    ->  purge_staging: batches purged: 3, removed: 1, rows of staging.expression_rows deleted: 1200

    Two kinds of batches are purged: those LOADED more than `days` ago, and those staged more than `days`
    ago that a newer loaded download of their study supersedes. Their rows are deleted and their status
    becomes PURGED. A superseded batch that is QUARANTINED or was never loaded into the fact is also deleted
    from the register, so that another ingest treats it as new. Batches that are still to be built, or are
    quarantined without a successor, stay. staging.pair_metrics is never touched.

    Everything happens in one transaction. A `days` that is not a whole number is 54030. -#}
{% macro purge_staging(days=7, dry_run=false) %}
    {% do require_days(days) %}
    {% do run_query(create_staging()) %}
    {% do run_query('begin transaction') %}
    {% set before = read_instant_days_ago(days) %}
    {% set counts = run_query(count_staging_to_purge(before)).rows[0] %}
    {% if not dry_run %}
        {% do run_query(mark_batches_purged(before)) %}
        {% do run_query(delete_purged_expression_rows()) %}
        {% do run_query(delete_purged_symbols()) %}
        {% do run_query(delete_removed_metadata()) %}
        {% do run_query(delete_removed_batches()) %}
    {% endif %}
    {% do run_query('commit') %}
    {% do report_operation(
        'purge_staging', dry_run,
        {'purged_count': counts[0] | int, 'removed_count': counts[1] | int, 'row_count': counts[2] | int},
        'batches purged: ' ~ (counts[0] | int) ~ ', removed: ' ~ (counts[1] | int)
        ~ ', rows of staging.expression_rows deleted: ' ~ (counts[2] | int)
    ) %}
{% endmacro %}


{#- A query that returns the batches to purge: batch_id and leaves_register (1 or 0). `before` is an instant,
    as a SQL expression. -#}
{% macro batches_to_purge(before) -%}
select
    p.batch_id,
    case when p.status = 'QUARANTINED' or p.loaded_at is null then 1 else 0 end as leaves_register
from (
    select
        r.batch_id,
        r.status,
        r.staged_at,
        r.loaded_at,
        r.recency,
        min(case when r.loaded_at is not null and r.status <> 'QUARANTINED' then r.recency end)
            over (partition by r.study_accession_code) as loaded_recency
    from (
        select
            batch_id,
            study_accession_code,
            status,
            staged_at,
            loaded_at,
            {{ recency_of_batch() }} as recency
        from {{ source('staging', 'batch') }}
    ) as r
) as p
where
    p.status in ('STAGED', 'VALIDATED', 'LOADED', 'QUARANTINED')
    and (
        (p.status = 'LOADED' and p.loaded_at < {{ before }})
        or (p.recency > p.loaded_recency and p.staged_at < {{ before }})
    )
{%- endmacro %}


{#- A query that returns one row: the number of batches that stay as PURGED, of batches deleted from the
    register, and of staged rows of both. -#}
{% macro count_staging_to_purge(before) -%}
select
    coalesce(sum(1 - p.leaves_register), 0) as purged_count,
    coalesce(sum(p.leaves_register), 0) as removed_count,
    coalesce(sum(coalesce(s.staged_count, 0)), 0) as staged_count
from ({{ batches_to_purge(before) | indent(4) }}) as p
left join (
    select
        batch_id,
        count(*) as staged_count
    from {{ source('staging', 'expression_rows') }}
    group by batch_id
) as s on p.batch_id = s.batch_id
{%- endmacro %}


{#- Runs first: on a server, this update locks the batches until the commit. The batches to delete from the
    register are those that are PURGED with loaded_at null. -#}
{% macro mark_batches_purged(before) -%}
update {{ source('staging', 'batch') }}
set
    status = 'PURGED',
    loaded_at = case when status = 'QUARANTINED' then null else loaded_at end
where batch_id in (select g.batch_id from ({{ batches_to_purge(before) | indent(4) }}) as g)
{%- endmacro %}


{#- A condition on batch_id. -#}
{% macro is_purged() -%}
batch_id in (select b.batch_id from {{ source('staging', 'batch') }} as b where b.status = 'PURGED')
{%- endmacro %}


{% macro delete_purged_expression_rows() -%}
{{ delete_expression_rows(schema_name('staging'), is_purged()) }}
{%- endmacro %}


{% macro delete_purged_symbols() -%}
delete from {{ source('staging', 'symbol_hint') }} where {{ is_purged() }}
{%- endmacro %}


{% macro delete_removed_metadata() -%}
delete from {{ source('staging', 'study_metadata') }}
where batch_id in (
    select b.batch_id
    from {{ source('staging', 'batch') }} as b
    where b.status = 'PURGED' and b.loaded_at is null
)
{%- endmacro %}


{% macro delete_removed_batches() -%}
delete from {{ source('staging', 'batch') }}
where status = 'PURGED' and loaded_at is null
{%- endmacro %}
