{#- Column types. Each macro returns the type's name on the current engine:

    cast(x as {{ type_text(50) }})  ->  cast(x as nvarchar(50))  on SQL Server
                                        cast(x as varchar)       on DuckDB

    `float(53)`, `integer` and `bigint` mean the same on both engines and need no macro. -#}

{#- Unicode text of at most `length` characters, or of any length if none is given. -#}
{% macro type_text(length=none) %}{{ return(adapter.dispatch('type_text', 'expression_warehouse')(length)) }}{% endmacro %}

{% macro default__type_text(length=none) %}{{ return('nvarchar(' ~ (length or 'max') ~ ')') }}{% endmacro %}

{% macro duckdb__type_text(length=none) %}{{ return('varchar') }}{% endmacro %}

{#- Fabric Warehouse has no nvarchar; its varchar is UTF-8 and its length counts bytes. -#}
{% macro fabric__type_text(length=none) %}{{ return('varchar(' ~ ([4 * length, 8000] | min if length else 'max') ~ ')') }}{% endmacro %}


{#- ASCII code (accession, hash, label) of at most `length` characters. -#}
{% macro type_code(length) %}{{ return(adapter.dispatch('type_code', 'expression_warehouse')(length)) }}{% endmacro %}

{% macro default__type_code(length) %}{{ return('varchar(' ~ length ~ ')') }}{% endmacro %}

{% macro duckdb__type_code(length) %}{{ return('varchar') }}{% endmacro %}


{#- True or false; compare with `= 1` and `= 0`, which both engines accept. -#}
{% macro type_flag() %}{{ return(adapter.dispatch('type_flag', 'expression_warehouse')()) }}{% endmacro %}

{% macro default__type_flag() %}{{ return('bit') }}{% endmacro %}

{% macro duckdb__type_flag() %}{{ return('boolean') }}{% endmacro %}


{#- Point in time, UTC, without a time zone. -#}
{% macro type_instant() %}{{ return(adapter.dispatch('type_instant', 'expression_warehouse')()) }}{% endmacro %}

{% macro default__type_instant() %}{{ return('datetime2(6)') }}{% endmacro %}

{% macro duckdb__type_instant() %}{{ return('timestamp') }}{% endmacro %}
