{#- dbt asks this macro for each node's schema: the configured name as it stands, not
    behind the target's schema as dbt would have it. -#}
{% macro generate_schema_name(custom_schema_name, node) %}
    {%- if custom_schema_name is none -%}
        {{ target.schema }}
    {%- else -%}
        {{ schema_name(custom_schema_name) }}
    {%- endif -%}
{% endmacro %}
