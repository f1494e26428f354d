{#- dbt calls this macro for each node's schema. It returns the configured name as it is; dbt's default
    would prepend the target's schema. A prefix that is more than a part of a name would be SQL of its own: the
    commands refuse it as well (core/warehouse/profile.py). -#}
{% macro generate_schema_name(custom_schema_name, node) %}
    {%- if not modules.re.match('[A-Za-z0-9_]{0,50}$', schema_name('')) -%}
        {{ raise_error(54030, 'CONFIG_INVALID', 'EXPRESSION_SCHEMA_PREFIX is not at most 50 letters, digits and _') }}
    {%- endif -%}
    {%- if custom_schema_name is none -%}
        {{ target.schema }}
    {%- else -%}
        {{ schema_name(custom_schema_name) }}
    {%- endif -%}
{% endmacro %}
