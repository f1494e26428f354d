{#- dbt calls this macro for each node's name in the warehouse. Builds that run at the same time on a server
    need separate intermediate tables, so those names end with EXPRESSION_BUILD_SLOT; all other tables are
    shared.

    EXPRESSION_BUILD_SLOT=_2  ->  int_slice is staging.int_slice_2 -#}
{% macro generate_alias_name(custom_alias_name=none, node=none) -%}
    {%- set name = custom_alias_name or node.name -%}
    {%- if 'intermediate' in node.fqn -%}
        {{ name }}{{ env_var('EXPRESSION_BUILD_SLOT', '') }}
    {%- else -%}
        {{ name }}
    {%- endif -%}
{%- endmacro %}
