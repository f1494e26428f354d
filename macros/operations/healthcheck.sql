{#- Prints the warehouse's health (vw_health), the quarantined batches, and the errors of the last 30 days.

    dbt run-operation healthcheck  ->  is_healthy: 1
                                       last_run_id: 8c1c…
                                       … -#}
{% macro healthcheck() %}
    {% set meta = schema_name('meta') %}
    {% set health = run_query('select * from ' ~ meta ~ '.vw_health') %}
    {% for name in health.column_names %}
        {% do log(name ~ ': ' ~ health.rows[0][name], info=true) %}
    {% endfor %}
    {% for batch in run_query('select study_accession_code, batch_id, quarantine_reason from ' ~ meta ~ '.vw_quarantine').rows %}
        {% do log('quarantined: ' ~ batch[0] ~ ' ' ~ batch[1] ~ ': ' ~ batch[2], info=true) %}
    {% endfor %}
    {% for error in run_query('select error_count, error_code, error_name, run_count from ' ~ meta ~ '.vw_error_histogram').rows %}
        {% do log('in 30 days: ' ~ (error[0] | int) ~ ' x ' ~ (error[1] | int) ~ ' ' ~ error[2] ~ '; runs: ' ~ (error[3] | int), info=true) %}
    {% endfor %}
{% endmacro %}
