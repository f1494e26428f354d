{#- The name of one of the warehouse's schemas: the plain name, or with the prefix from
    EXPRESSION_SCHEMA_PREFIX in front, for a sandbox beside the real warehouse.

    {{ schema_name('dim') }}  ->  dim, or with EXPRESSION_SCHEMA_PREFIX=anna_  anna_dim -#}
{% macro schema_name(name) %}{{ return(env_var('EXPRESSION_SCHEMA_PREFIX', '') ~ name) }}{% endmacro %}
