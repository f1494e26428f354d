{#- DuckDB only. dbt's incremental materialization writes new rows to a temporary table first and
    copies them from there. For strategy `append` the copy serves nothing and doubles the
    time of a load, so the temporary relation is a view. Everything else is the adapter's own. -#}
{% macro duckdb__create_table_as(temporary, relation, compiled_code, language='sql', partitioned_by=none, sorted_by=none) %}
    {%- if temporary and config.get('incremental_strategy') == 'append' -%}
        {%- if config.get('contract').enforced %}{{ get_assert_columns_equivalent(compiled_code) }}{% endif %}
        create or replace temporary view {{ relation }} as
        {{ compiled_code }}
    {%- else -%}
        {{ return(dbt.duckdb__create_table_as(temporary, relation, compiled_code, language, partitioned_by, sorted_by)) }}
    {%- endif -%}
{% endmacro %}
