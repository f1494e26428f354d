{#- On-run-start: stops `dbt build --empty` and `dbt run --empty` before they change anything: they would empty the
    seeds and tables of this warehouse. -#}
{% macro refuse_empty_run() %}
{%- if execute and invocation_args_dict.get('empty') and flags.WHICH in ['build', 'run'] -%}
    {{
        raise_error(
            54030, 'CONFIG_INVALID',
            '--empty would empty the seeds and tables of this warehouse. dbt compile checks a project without changing it'
        )
    }}
{%- endif -%}
{% endmacro %}
