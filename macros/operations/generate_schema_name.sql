{#- dbt calls this macro for each node's schema. It returns the configured name as it is; dbt's default
    would prepend the target's schema. -#}
{% macro generate_schema_name(custom_schema_name, node) %}
    {%- if custom_schema_name is none -%}
        {{ target.schema }}
    {%- else -%}
        {{ schema_name(custom_schema_name) }}
    {%- endif -%}
{% endmacro %}
