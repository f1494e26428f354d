{#- dbt's own answer, unless the var `compile_as` says otherwise: the T-SQL checks compile
    every model twice without a server, as a first build (`full`) and as a later one
    (`incremental`), which dbt could only tell apart by asking the database. -#}
{% macro is_incremental() %}
    {% set compile_as = var('compile_as', none) %}
    {% if compile_as is not none and flags.WHICH == 'compile' %}
        {{ return(compile_as == 'incremental' and model.config.materialized == 'incremental') }}
    {% endif %}
    {{ return(dbt.is_incremental()) }}
{% endmacro %}
