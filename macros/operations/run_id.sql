{#- The id of this run in the logs: that of the `python -m loader run` that called dbt, else dbt's own
    invocation id.   {{ run_id() }}  ->  8c1c…-… -#}
{% macro run_id() %}{{ return(env_var('EXPRESSION_RUN_ID', invocation_id) if execute else '') }}{% endmacro %}


{#- The number of this attempt, from 1: `python -m loader run` retries after a lost connection or a
    deadlock. -#}
{% macro attempt() %}{{ return(env_var('EXPRESSION_RUN_ATTEMPT', '1') if execute else '1') }}{% endmacro %}
