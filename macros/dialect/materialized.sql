{#- For a CTE that is read several times: a word before its parenthesis that has the engine compute
    it once, where there is one. SQL Server has none.

    components as {{ materialized() }}(…)  ->  components as (…)  |  components as materialized (…) -#}
{% macro materialized() %}{{ return(adapter.dispatch('materialized', 'expression_warehouse')()) }}{% endmacro %}

{% macro default__materialized() %}{{ return('') }}{% endmacro %}

{% macro duckdb__materialized() %}{{ return('materialized ') }}{% endmacro %}
