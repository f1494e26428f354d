{#- Releases a batch from quarantine: the next build validates it again, and treats errors that seed
    error_code marks as releasable (is_releasable) as warnings.

    dbt run-operation release_batch --args '{batch_id: "3f0c29d1", actor: anna}'
    ->  batch 3f0c29d1… of GSE1 is STAGED again, released by anna; run dbt build

    batch_id: the whole id or its first 8 or more digits (quote them if all are decimal). Errors: 54042 if no
    batch or several have the id; 54043 if the batch is not QUARANTINED; 54044 if it is quarantined for an
    error that nobody can release; 54030 if an argument is neither id nor name. All errors leave the register
    as it was. -#}
{% macro release_batch(batch_id=none, actor=none) %}
    {% set actor = actor or login_name() %}
    {% if not modules.re.fullmatch('[0-9a-f]{8,64}', batch_id ~ '') %}
        {{ raise_error(54030, 'CONFIG_INVALID', batch_id ~ ' is not a batch_id; expected its first 8 hex digits or more, in quotes') }}
    {% elif not modules.re.fullmatch('[A-Za-z0-9._@\\\\ -]{1,64}', actor ~ '') %}
        {{ raise_error(54030, 'CONFIG_INVALID', actor ~ ' is not a name') }}
    {% endif %}
    {% if not run_query(catalog_tables()).rows[0][0] %}
        {{ raise_error(4008, 'LOAD_WAREHOUSE_NOT_BUILT', 'run dbt build first: it creates the catalog of errors') }}
    {% endif %}
    {% do run_query(create_staging()) %}
    {% set matches = run_query(batches_like(batch_id)).rows %}
    {% if matches | length != 1 %}
        {{ raise_error(54042, 'BATCH_NOT_FOUND', (matches | length or 'no') ~ ' batches begin with ' ~ batch_id ~ '; see staging.batch') }}
    {% elif matches[0][2] != 'QUARANTINED' %}
        {{ raise_error(54043, 'BATCH_NOT_QUARANTINED', 'batch ' ~ matches[0][0] ~ ' of ' ~ matches[0][1] ~ ' is ' ~ matches[0][2] ~ '; only a QUARANTINED batch can be released') }}
    {% endif %}
    {% do run_query(create_meta()) %}
    {% set lasting = run_query(findings_not_releasable(matches[0][0])).rows %}
    {% if lasting %}
        {{ raise_error(54044, 'BATCH_NOT_RELEASABLE', 'batch ' ~ matches[0][0] ~ ' of ' ~ matches[0][1] ~ ' is quarantined for ' ~ (lasting[0][0] | int) ~ ' ' ~ lasting[0][1] ~ '; correct the download or pipeline.yaml and ingest again') }}
    {% endif %}
    {% do run_query('begin transaction') %}
    {% do run_query(mark_batch_released(matches[0][0], actor)) %}
    {% do run_query(log_operation('release_batch', {'batch_id': matches[0][0], 'study_accession': matches[0][1], 'actor': actor})) %}
    {% do run_query('commit') %}
    {% do log('batch ' ~ matches[0][0] ~ ' of ' ~ matches[0][1] ~ ' is STAGED again, released by ' ~ actor ~ '; run dbt build', info=true) %}
{% endmacro %}


{% macro catalog_tables() -%}
select count(*) as table_count
from information_schema.tables
where table_schema = '{{ schema_name('meta') }}' and table_name = 'meta_error_code'
{%- endmacro %}


{% macro batches_like(prefix) -%}
select
    batch_id,
    study_accession_code,
    status
from {{ source('staging', 'batch') }}
where batch_id like '{{ prefix }}%'
{%- endmacro %}


{#- A query that returns code and name of the non-releasable errors found since the batch was staged. -#}
{% macro findings_not_releasable(batch_id) -%}
select distinct
    e.error_code,
    e.error_name
from {{ source('meta', 'meta_data_validation_log') }} as l
inner join {{ source('staging', 'batch') }} as b on l.batch_id = b.batch_id
inner join {{ schema_name('meta') }}.meta_error_code as e on l.validation_code = e.error_name
where
    l.batch_id = '{{ batch_id }}'
    and l.severity = 'ERROR'
    and l.created_at >= b.staged_at
    and e.is_releasable = 0
order by e.error_code
{%- endmacro %}


{% macro mark_batch_released(batch_id, actor) -%}
update {{ source('staging', 'batch') }}
set
    status = 'STAGED',
    quarantine_reason = null,
    released_by = '{{ actor }}'
where batch_id = '{{ batch_id }}' and status = 'QUARANTINED'
{%- endmacro %}
