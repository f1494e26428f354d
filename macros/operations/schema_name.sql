{#- The name of one of the warehouse's schemas. For a sandbox beside the real warehouse, set
    EXPRESSION_SCHEMA_PREFIX, which is prepended.

    {{ schema_name('dim') }}  ->  dim, or with EXPRESSION_SCHEMA_PREFIX=anna_  anna_dim -#}
{% macro schema_name(name) %}{{ return(env_var('EXPRESSION_SCHEMA_PREFIX', '') ~ name) }}{% endmacro %}
