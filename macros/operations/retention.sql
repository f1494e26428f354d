{#- Helpers shared by the retention operations (purge_staging, purge_db_logs).

    {% do require_days(7) %}  ->  no output; error 54030 unless days is a whole number from 0 to 36500 -#}
{% macro require_days(days) %}
    {% if days is not integer or days is boolean or days < 0 or days > 36500 %}
        {{ raise_error(54030, 'CONFIG_INVALID', 'days is ' ~ days ~ '; expected a whole number from 0 to 36500') }}
    {% endif %}
{% endmacro %}


{#- The instant `days` ago as a constant, so that all statements of an operation use the same one.

    {{ read_instant_days_ago(7) }}  ->  cast('2026-01-01 10:00:00.123456' as timestamp) -#}
{% macro read_instant_days_ago(days) %}
    {% set instant = run_query('select ' ~ instant_text(instant_days_ago(days)) ~ ' as instant').rows[0][0] %}
    {{ return("cast('" ~ instant ~ "' as " ~ type_instant() ~ ")") }}
{% endmacro %}


{#- Reports what an operation did: a sentence for people, and a line of JSON in the debug log, from which
    `python -m loader housekeeping` reads the counts. -#}
{% macro report_operation(operation, dry_run, counts, sentence) %}
    {% do log(operation ~ (' (dry run): ' if dry_run else ': ') ~ sentence, info=true) %}
    {% if not dry_run %}{% do run_query(log_operation(operation, counts)) %}{% endif %}
    {% do log(tojson({'operation': operation, 'dry_run': dry_run, 'counts': counts})) %}
{% endmacro %}


{#- Inserts the operation's row into the process log. -#}
{% macro log_operation(operation, context) -%}
insert into {{ process_log() }} (run_id, step, status, attempt, started_at, ended_at, context_json)
values (
    '{{ run_id() }}',
    '{{ operation }}',
    'SUCCESS',
    {{ attempt() }},
    {{ instant_literal(run_started_at) }},
    {{ utc_now() }},
    {{ text_literal(tojson(context)) }}
)
{%- endmacro %}
