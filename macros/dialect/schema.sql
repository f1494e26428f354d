{#- Statements that create a schema, table or column if it is missing. -#}

{% macro create_schema_if_absent(name) %}{{ return(adapter.dispatch('create_schema_if_absent', 'expression_warehouse')(name)) }}{% endmacro %}

{% macro default__create_schema_if_absent(name) %}if schema_id('{{ name }}') is null exec('create schema {{ name }}'){% endmacro %}

{% macro duckdb__create_schema_if_absent(name) %}create schema if not exists {{ name }}{% endmacro %}


{#- `columns`: the text between the parentheses of `create table`. -#}
{% macro create_table_if_absent(name, columns) %}{{ return(adapter.dispatch('create_table_if_absent', 'expression_warehouse')(name, columns)) }}{% endmacro %}

{% macro default__create_table_if_absent(name, columns) %}if object_id('{{ name }}') is null create table {{ name }} ({{ columns }}){% endmacro %}

{% macro duckdb__create_table_if_absent(name, columns) %}create table if not exists {{ name }} ({{ columns }}){% endmacro %}


{#- `type`: a nullable type. -#}
{% macro add_column_if_absent(table, column, type) %}{{ return(adapter.dispatch('add_column_if_absent', 'expression_warehouse')(table, column, type)) }}{% endmacro %}

{% macro default__add_column_if_absent(table, column, type) %}if not exists (select 1 from sys.columns where object_id = object_id('{{ table }}') and name = '{{ column }}') alter table {{ table }} add {{ column }} {{ type }} null{% endmacro %}

{% macro duckdb__add_column_if_absent(table, column, type) %}alter table {{ table }} add column if not exists {{ column }} {{ type }}{% endmacro %}


{#- The primary-key clause of a column in `create table`, with a leading blank.
    batch_id varchar(64) not null{{ primary_key() }}  ->  batch_id varchar(64) not null primary key -#}
{% macro primary_key() %}{{ return(adapter.dispatch('primary_key', 'expression_warehouse')()) }}{% endmacro %}

{% macro default__primary_key() %}{{ return(' primary key') }}{% endmacro %}

{#- Fabric Warehouse enforces no primary keys. -#}
{% macro fabric__primary_key() %}{{ return('') }}{% endmacro %}
