{#- Calls dbt's own is_incremental() if dbt may query the database. `dbt compile --no-introspect` may not:
    the var `compile_as` then says whether to compile the SQL of a first build (`full`, the default) or of a
    later one (`incremental`). The T-SQL checks, which have no server, compile both. -#}
{% macro is_incremental() %}
    {% if is_offline() %}
        {{ return(var('compile_as', 'full') == 'incremental' and model.config.materialized == 'incremental') }}
    {% endif %}
    {{ return(dbt.is_incremental()) }}
{% endmacro %}

{% macro is_offline() %}{{ return(flags.WHICH == 'compile' and not flags.INTROSPECT) }}{% endmacro %}


{#- Hook: a statement for later builds alone, since a first build has no rows that it could be about. It is an
    argument, so that dbt sees the relations that it reads in a first build, too.

    is_alone  whether other builds of the table wait until this one is committed

    pre_hook="{{ in_later_builds(remove_replaced_slices(this), is_alone=true) }}" -#}
{% macro in_later_builds(statement, is_alone=false) %}
{%- if is_incremental() %}
{{ lock_until_commit(this.identifier) if is_alone }}
{{ statement }}
{%- endif %}
{% endmacro %}
