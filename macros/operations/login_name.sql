{#- The default actor of an operation if none is given: the user of the operating system. -#}
{% macro login_name() %}{{ return(env_var('USER', env_var('USERNAME', 'unknown'))) }}{% endmacro %}
