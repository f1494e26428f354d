{#- What a dbt run writes to schema meta. On-run-start: a row RUNNING in meta_etl_process_log, which stays
    visible if the process dies. On-run-end: one row per node, one row per batch loaded into the fact, and the
    end of the first row; in meta_data_validation_log, the tests that failed or warned, except tests of
    rules, whose findings are already there.

    on-run-start: "{{ log_run_started() }}"
    on-run-end: "{{ log_run_ended(results) }}"  ->  dbt build | SUCCESS, model.dim_gene | SUCCESS, … -#}
{% macro log_run_started() -%}
{%- if not execute -%}{{ return('') }}{%- endif -%}
{%- set settings = {} -%}
{%- for name in meta_analysis_vars() -%}
{%- do settings.update({name: var(name)}) -%}
{%- endfor -%}
{%- set context = {
    'study_accession': selected_studies(),
    'settings': settings,
    'invocation_id': invocation_id,
    'target': target.name,
    'versions': {'dbt': dbt_version, 'adapter': adapter.type()}
} -%}
insert into {{ process_log() }} (run_id, step, status, attempt, started_at, context_json)
values (
    '{{ run_id() }}',
    'dbt {{ flags.WHICH }}',
    'RUNNING',
    {{ attempt() }},
    {{ instant_literal(run_started_at) }},
    {{ text_literal(tojson(context)) }}
)
{%- endmacro %}


{% macro log_run_ended(results) -%}
{%- if not execute -%}{{ return('') }}{%- endif -%}
{%- for chunk in results | batch(200) %}
{{ log_nodes(chunk) }};
{% endfor -%}
{{ log_loaded_batches() }};
{% set found = tests_that_found(results) -%}
{%- if found %}
{{ log_tests(found) }};
{% endif -%}
{%- if relation_of_earlier_build('dim', 'dim_study') %}
{{ name_studies_of_findings() }};
{% endif %}
{{ end_run(results) }}
{%- endmacro %}


{% macro process_log() %}{{ return(schema_name('meta') ~ '.meta_etl_process_log') }}{% endmacro %}

{% macro validation_log() %}{{ return(schema_name('meta') ~ '.meta_data_validation_log') }}{% endmacro %}


{% macro log_nodes(results) -%}
insert into {{ process_log() }}
(run_id, step, status, attempt, started_at, ended_at, rows_written, error_code, error_message, context_json)
values
{%- for result in results %}
{%- set status = log_status(result.status) %}
{%- set execution = result.timing | selectattr('name', 'equalto', 'execute') | list %}
{%- set times = execution[0] if execution and execution[0].completed_at else none %}
{%- set context = {'unique_id': result.node.unique_id, 'seconds': result.execution_time | round(3)} %}
{%- if status == 'FAILED' %}
{%- do context.update({'sql_text': (result.node.compiled_code or '')[:20000]}) %}
{%- endif %}
{%- if result.failures %}
{%- do context.update({'failures': result.failures}) %}
{%- endif %}
(
    '{{ run_id() }}',
    {{ text_literal(result.node.resource_type ~ '.' ~ result.node.name) }},
    '{{ status }}',
    {{ attempt() }},
    {{ instant_literal(times.started_at) if times else utc_now() }},
    {{ instant_literal(times.completed_at) if times else utc_now() }},
    {{ written_rows(result) }},
    {{ error_code_of(result) or 'null' }},
    {{ text_literal(without_password(result.message)) if status in ['FAILED', 'WARNING'] else 'null' }},
    {{ text_literal(tojson(context)) }}
)
{{- ',' if not loop.last }}
{%- endfor %}
{%- endmacro %}


{#- A batch loaded into the fact names the run that loaded it (macros/study/batch_status.sql). If that run
    died before it wrote this row, the next run writes it. -#}
{% macro log_loaded_batches() -%}
insert into {{ process_log() }}
(run_id, batch_id, step, status, attempt, started_at, ended_at, rows_read, rows_written, context_json)
select
    b.loaded_run_id as run_id,
    b.batch_id,
    'load_batch' as step,
    'SUCCESS' as status,
    1 as attempt,
    b.loaded_at as started_at,
    b.loaded_at as ended_at,
    b.row_count as rows_read,
    b.row_count - b.null_count as rows_written,
    {{
        json_object({
            'study_accession': 'b.study_accession_code', 'file_name': 'b.file_name', 'file_hash': 'b.file_hash'
        })
    }} as context_json
from {{ schema_name('staging') }}.batch as b
where
    b.loaded_at > {{ instant_days_ago(1) }}
    and not exists (
        select 1
        from {{ process_log() }} as p
        where p.run_id = b.loaded_run_id and p.batch_id = b.batch_id and p.step = 'load_batch'
    )
{%- endmacro %}


{#- Data tests that failed or warned, except tests of a rule, whose findings the log already has. -#}
{% macro tests_that_found(results) %}
    {% set found = [] %}
    {% for result in results if result.node.resource_type == 'test' and log_status(result.status) in ['FAILED', 'WARNING'] %}
        {% if not modules.re.match('[0-9]{4,5}_', result.node.name) %}
            {% do found.append(result) %}
        {% endif %}
    {% endfor %}
    {{ return(found) }}
{% endmacro %}


{#- One row per broken column and rule of a `columns_are_valid` test, one per other test. -#}
{% macro log_tests(results) -%}
{%- set logged = [] -%}
{%- for result in results -%}
    {%- set severity = 'ERROR' if log_status(result.status) == 'FAILED' else 'WARNING' -%}
    {%- for broken in broken_columns(result) -%}
        {%- do print(broken.finding) -%}
        {%- do logged.append(dict(broken, severity=severity, test=result.node.name)) -%}
    {%- else -%}
        {%- do logged.append({
            'rule': '', 'subject': result.node.name, 'finding': result.message, 'count': result.failures,
            'severity': severity, 'test': result.node.name
        }) -%}
    {%- endfor -%}
{%- endfor -%}
insert into {{ validation_log() }} (run_id, validation_code, severity, details, created_at)
values
{%- for row in logged %}
(
    '{{ run_id() }}',
    '{{ 'LOAD_FOREIGN_KEY_VIOLATION' if row.rule == 'relationships' else 'LOAD_CONSTRAINT_VIOLATION' }}',
    '{{ row.severity }}',
    {{ text_literal(tojson({'subject': row.subject, 'finding': row.finding, 'finding_count': row.count, 'test': row.test})) }},
    {{ utc_now() }}
)
{{- ',' if not loop.last }}
{%- endfor %}
{%- endmacro %}


{#- What a `columns_are_valid` test returned, which dbt counts but does not show; empty for other tests and
    for a test that could not run.

    ->  [{'rule': 'accepted_values', 'subject': 'dim_sample.illness_source', 'count': 1,
          'finding': "dim_sample.illness_source breaks accepted_values: 1 value, for example 'guess'"}] -#}
{% macro broken_columns(result) %}
    {%- set broken = [] -%}
    {%- if (result.node.test_metadata or {}).name == 'columns_are_valid' and result.failures -%}
        {%- set relation = result.node.name | replace('_columns_are_valid', '') -%}
        {%- for row in run_query(result.node.compiled_code).rows -%}
            {%- set subject = relation ~ '.' ~ row[0] -%}
            {%- set counted = (row[3] | int) ~ (' row' if row[1] == 'not_null' else ' value') ~ ('s' if row[3] != 1) -%}
            {%- set example = ", for example '" ~ row[2] ~ "'" if row[2] is not none else '' -%}
            {%- do broken.append({
                'rule': row[1], 'subject': subject, 'count': row[3] | int,
                'finding': subject ~ ' breaks ' ~ row[1] ~ ': ' ~ counted ~ example
            }) -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(broken) }}
{% endmacro %}


{#- Findings logged before the dimensions are built lack the study's key; this adds it. -#}
{% macro name_studies_of_findings() -%}
update {{ validation_log() }}
set
    study_key = (
        select s.study_key
        from {{ schema_name('dim') }}.dim_study as s
        where s.study_accession_code = {{ json_text(validation_log() ~ '.details', '$.study_accession') }}
    )
where run_id = '{{ run_id() }}' and study_key is null
{%- endmacro %}


{% macro end_run(results) -%}
{%- set failed = [] -%}
{%- for result in results if log_status(result.status) == 'FAILED' -%}
    {%- do failed.append(result) -%}
{%- endfor -%}
{%- set first = failed | first if failed else none -%}
update {{ process_log() }}
set
    status = '{{ 'FAILED' if failed else 'SUCCESS' }}',
    ended_at = {{ utc_now() }},
    error_code = {{ (error_code_of(first) or 'null') if first else 'null' }},
    error_message = {{ text_literal(failed | length ~ ' failed, first ' ~ first.node.name ~ ': ' ~ without_password(first.message)) if first else 'null' }}
where
    run_id = '{{ run_id() }}'
    and step = 'dbt {{ flags.WHICH }}'
    and attempt = {{ attempt() }}
    and status = 'RUNNING'
{%- endmacro %}


{% macro log_status(status) %}
    {% set words = {'success': 'SUCCESS', 'pass': 'SUCCESS', 'no-op': 'SUCCESS', 'warn': 'WARNING', 'skipped': 'SKIPPED'} %}
    {{ return(words.get(status | string, 'FAILED')) }}
{% endmacro %}


{#- The catalog code at the start of a test's name (54010_SOURCE_MISMATCH_SAMPLES) or in a message (54040
    STUDY_NOT_FOUND: …); none if there is no such code. -#}
{% macro error_code_of(result) %}
    {% if log_status(result.status) not in ['FAILED', 'WARNING'] %}{{ return(none) }}{% endif %}
    {% set named = modules.re.match('([0-9]{4,5})_[A-Z]', result.node.name) %}
    {% set said = modules.re.search('\\b([1-5][0-9]{3,4}) [A-Z]+_[A-Z_]+', result.message or '') %}
    {{ return(named.group(1) if named else (said.group(1) if said else none)) }}
{% endmacro %}


{#- Number of rows that a model or seed wrote, if the engine reports it; else null. -#}
{% macro written_rows(result) %}
    {% set count = (result.adapter_response or {}).get('rows_affected', -1) %}
    {{ return(count if result.node.resource_type in ['model', 'seed'] and count is number and count >= 0 else 'null') }}
{% endmacro %}


{#- As core/redact.py. -#}
{% macro without_password(message) %}
    {%- set braced = '\\{(?:[^}]|\\}\\})*\\}' -%}
    {%- set text = modules.re.sub('(?i)((?:password|pwd)\\s*[=:]\\s*)(?:' ~ braced ~ '|[^;]+)', '\\1***', message or '') -%}
    {%- set text = modules.re.sub(
        '(?i)((?:token|secret|account_?key|access_?key|api_?key|passphrase|(?<=[?&])sig)\\s*=\\s*)(?:' ~ braced ~ '|[^;&\\s]+)', '\\1***', text
    ) -%}
    {%- set text = modules.re.sub('(?i)\\b(bearer|authorization:\\s*basic)\\s+[\\w.~+/-]+=*', '\\1 ***', text) -%}
    {{ return(modules.re.sub('(://[^\\s:/@]*:)\\S+@', '\\1***@', text)) }}
{% endmacro %}
