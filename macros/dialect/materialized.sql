{#- Keyword before a CTE's parenthesis that makes the engine compute the CTE once although it is read
    several times. SQL Server has no such keyword.

    components as {{ materialized() }}(…)  ->  components as (…)  |  components as materialized (…) -#}
{% macro materialized() %}{{ return(adapter.dispatch('materialized', 'expression_warehouse')()) }}{% endmacro %}

{% macro default__materialized() %}{{ return('') }}{% endmacro %}

{% macro duckdb__materialized() %}{{ return('materialized ') }}{% endmacro %}
