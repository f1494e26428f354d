{#- A setting that a reader of a view makes for the session, or the default if it is not set or cannot be
    read as a finite number. SQL expressions.

    {{ session_number('q', 0.05) }}
    ->  coalesce(try_convert(float(53), session_context(N'q')), 0.05e0)
      | coalesce(case when isfinite(try_cast(getvariable('q') as double)) then try_cast(getvariable('q') as double) end, 0.05e0)

    {{ session_text('disease', 'SEPSIS') }}
    ->  coalesce(convert(varchar(64), session_context(N'disease')), 'SEPSIS')
      | coalesce(cast(getvariable('disease') as varchar), 'SEPSIS')

    SQL Server:  exec sp_set_session_context 'q', 0.01;
    DuckDB:      set variable q = 0.01; -#}
{% macro session_number(name, default) -%}
coalesce({{ session_setting_as_number(name) }}, {{ default }}e0)
{%- endmacro %}

{% macro session_text(name, default) -%}
coalesce({{ session_setting_as_text(name) }}, '{{ default }}')
{%- endmacro %}


{% macro session_setting_as_number(name) %}{{ return(adapter.dispatch('session_setting_as_number', 'expression_warehouse')(name)) }}{% endmacro %}

{% macro default__session_setting_as_number(name) %}try_convert(float(53), session_context(N'{{ name }}')){% endmacro %}

{% macro duckdb__session_setting_as_number(name) -%}
{%- set number = "try_cast(getvariable('" ~ name ~ "') as double)" -%}
{#- SQL Server has no nan and no infinite numbers. -#}
case when isfinite({{ number }}) then {{ number }} end
{%- endmacro %}


{% macro session_setting_as_text(name) %}{{ return(adapter.dispatch('session_setting_as_text', 'expression_warehouse')(name)) }}{% endmacro %}

{% macro default__session_setting_as_text(name) %}convert(varchar(64), session_context(N'{{ name }}')){% endmacro %}

{% macro duckdb__session_setting_as_text(name) %}cast(getvariable('{{ name }}') as varchar){% endmacro %}
