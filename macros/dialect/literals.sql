{#- SQL literals of values that are known at compile time. -#}

{#- Text of any characters.   {{ text_literal("O'Hara") }}  ->  N'O''Hara'  |  'O''Hara' -#}
{% macro text_literal(value) %}{{ return(adapter.dispatch('text_literal', 'expression_warehouse')(value)) }}{% endmacro %}

{% macro default__text_literal(value) %}{{ return("N'" ~ (value | string | replace("'", "''")) ~ "'") }}{% endmacro %}

{% macro duckdb__text_literal(value) %}{{ return("'" ~ (value | string | replace("'", "''")) ~ "'") }}{% endmacro %}


{#- A Python datetime (UTC) as `type_instant`.
    {{ instant_literal(run_started_at) }}  ->  cast('2026-01-02 03:04:05.678901' as datetime2(6)) -#}
{% macro instant_literal(instant) %}
    {{ return("cast('" ~ instant.strftime('%Y-%m-%d %H:%M:%S.%f') ~ "' as " ~ type_instant() ~ ")") }}
{% endmacro %}
