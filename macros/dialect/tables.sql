{#- How tables are kept. DuckDB and Fabric Warehouse keep all tables by column and need no index. -#}

{#- The indexes of a model, as the adapter's config `indexes` takes them.

    {{ config(indexes=table_indexes([{'columns': ['gene_key'], 'type': 'nonclustered'}])) }}
    ->  the list on SQL Server, an empty one elsewhere -#}
{% macro table_indexes(indexes) %}{{ return(adapter.dispatch('table_indexes', 'expression_warehouse')(indexes)) }}{% endmacro %}

{% macro default__table_indexes(indexes) %}{{ return(indexes) }}{% endmacro %}

{% macro duckdb__table_indexes(indexes) %}{{ return([]) }}{% endmacro %}

{% macro fabric__table_indexes(indexes) %}{{ return([]) }}{% endmacro %}


{#- What follows the columns in `create table` for a table of many rows that are read by batch.

    {{ by_column('expression_rows') }}  ->  , index cci_expression_rows clustered columnstore  |  (nothing) -#}
{% macro by_column(table) %}{{ return(adapter.dispatch('by_column', 'expression_warehouse')(table)) }}{% endmacro %}

{% macro default__by_column(table) %}, index cci_{{ table }} clustered columnstore{% endmacro %}

{% macro duckdb__by_column(table) %}{% endmacro %}

{% macro fabric__by_column(table) %}{% endmacro %}


{#- Materialization of a relation that many models read and that takes long to compute.
    SQL Server would compute a view anew for each reader; DuckDB, whose views are folded into
    their readers, needs no copy. -#}
{% macro kept_for_readers() %}{{ return(adapter.dispatch('kept_for_readers', 'expression_warehouse')()) }}{% endmacro %}

{% macro default__kept_for_readers() %}{{ return('table') }}{% endmacro %}

{% macro duckdb__kept_for_readers() %}{{ return('view') }}{% endmacro %}
