{#- DuckDB only. dbt's incremental materialization writes new rows to a temporary table, then copies
    them. With strategy `append` that copy is useless and doubles the load time, so the temporary
    relation is a view. All other cases call the adapter's macro. -#}
{% macro duckdb__create_table_as(temporary, relation, compiled_code, language='sql', partitioned_by=none, sorted_by=none) %}
    {%- if temporary and config.get('incremental_strategy') == 'append' -%}
        {%- if config.get('contract').enforced %}{{ get_assert_columns_equivalent(compiled_code) }}{% endif %}
        create or replace temporary view {{ relation }} as
        {{ compiled_code }}
    {%- else -%}
        {{ return(dbt.duckdb__create_table_as(temporary, relation, compiled_code, language, partitioned_by, sorted_by)) }}
    {%- endif -%}
{% endmacro %}
