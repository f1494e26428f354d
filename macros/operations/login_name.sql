{#- Who calls an operation, where nobody is named: the user of the operating system. -#}
{% macro login_name() %}{{ return(env_var('USER', env_var('USERNAME', 'unknown'))) }}{% endmacro %}
