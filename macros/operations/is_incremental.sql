{#- Calls dbt's own is_incremental() if dbt may query the database. `dbt compile --no-introspect` may not:
    the var `compile_as` then says whether to compile the SQL of a first build (`full`, the default) or of a
    later one (`incremental`). The T-SQL checks, which have no server, compile both. -#}
{% macro is_incremental() %}
    {% if flags.WHICH == 'compile' and not flags.INTROSPECT %}
        {{ return(var('compile_as', 'full') == 'incremental' and model.config.materialized == 'incremental') }}
    {% endif %}
    {{ return(dbt.is_incremental()) }}
{% endmacro %}
