{#- What identifies this run in the logs: the run of `python -m loader run` that dbt is part of, else
    dbt's own invocation.   {{ run_id() }}  ->  8c1c…-… -#}
{% macro run_id() %}{{ return(env_var('EXPRESSION_RUN_ID', invocation_id) if execute else '') }}{% endmacro %}


{#- Which attempt of the run this is, from 1: `python -m loader run` tries again what a lost connection
    or a deadlock broke off. -#}
{% macro attempt() %}{{ return(env_var('EXPRESSION_RUN_ATTEMPT', '1') if execute else '1') }}{% endmacro %}
