{#- Storage of tables. DuckDB and Fabric Warehouse store all tables by column and need no index. -#}

{#- The indexes of a model, for the adapter's config `indexes`.

    {{ config(indexes=table_indexes([{'columns': ['gene_key'], 'type': 'nonclustered'}])) }}
    ->  the list on SQL Server, an empty one elsewhere -#}
{% macro table_indexes(indexes) %}{{ return(adapter.dispatch('table_indexes', 'expression_warehouse')(indexes)) }}{% endmacro %}

{% macro default__table_indexes(indexes) %}{{ return(indexes) }}{% endmacro %}

{% macro duckdb__table_indexes(indexes) %}{{ return([]) }}{% endmacro %}

{% macro fabric__table_indexes(indexes) %}{{ return([]) }}{% endmacro %}


{#- A statement that creates a clustered columnstore index on a large table, if it is missing.

    {{ columnstore_if_absent('staging.expression_rows', 'cci_expression_rows') }}
    ->  if not exists (…) exec('create clustered columnstore index cci_expression_rows on staging.expression_rows');
      | (no SQL) -#}
{% macro columnstore_if_absent(table, index) %}{{ return(adapter.dispatch('columnstore_if_absent', 'expression_warehouse')(table, index)) }}{% endmacro %}

{% macro default__columnstore_if_absent(table, index) -%}
if not exists (select 1 from sys.indexes where object_id = object_id('{{ table }}') and name = '{{ index }}')
exec('create clustered columnstore index {{ index }} on {{ table }}');
{%- endmacro %}

{% macro duckdb__columnstore_if_absent(table, index) %}{% endmacro %}

{% macro fabric__columnstore_if_absent(table, index) %}{% endmacro %}


{#- Pre-hook of a table that the adapter fills in place (`full_refresh_build: prebuilt`), in one transaction
    with its hooks, and that is never fully refreshed. If its first build breaks off, the table is left
    empty and marked, and the adapter refuses every later build ("Rerun with --full-refresh"). This hook
    removes the mark, so that the current build can fill the table. It creates the columnstore; the adapter
    creates the other indexes.

    and_then  a statement to run after the mark is removed

    {{ take_up_first_build('fact', 'fact_gene_expression', is_columnstore=true) }}
    ->  if exists (…) begin … exec sp_dropextendedproperty … end | (no SQL) -#}
{% macro take_up_first_build(schema, table, is_columnstore=false, and_then='') %}{{ return(adapter.dispatch('take_up_first_build', 'expression_warehouse')(schema, table, is_columnstore, and_then)) }}{% endmacro %}

{% macro default__take_up_first_build(schema, table, is_columnstore=false, and_then='') -%}
if exists (
    select 1
    from sys.extended_properties
    where
        class = 1
        and minor_id = 0
        and name = 'dbt_full_refresh_incomplete'
        and major_id = object_id('{{ schema }}.{{ table }}')
)
begin
    {%- if is_columnstore %}
    {{ columnstore_if_absent(schema ~ '.' ~ table, schema ~ '_' ~ table ~ '_cci') | indent(4) }}
    {%- endif %}
    exec sp_dropextendedproperty
        @name = N'dbt_full_refresh_incomplete',
        @level0type = N'SCHEMA', @level0name = N'{{ schema }}',
        @level1type = N'TABLE', @level1name = N'{{ table }}';
    exec('drop view if exists {{ schema }}.{{ table }}__dbt_tmp_vw');
    {{ and_then }}
end
{%- endmacro %}

{% macro duckdb__take_up_first_build(schema, table, is_columnstore=false, and_then='') %}{% endmacro %}

{#- The Fabric adapter sets no such mark. -#}
{% macro fabric__take_up_first_build(schema, table, is_columnstore=false, and_then='') %}{% endmacro %}
