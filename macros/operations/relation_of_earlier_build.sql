{#- A table as an earlier build left it, for a model that reads it before it is rebuilt: the relation, or
    none if it does not exist yet. With `ref`, the model would wait for the rebuild. If compiled without a
    connection, the var compile_as decides (is_incremental.sql).

    {{ relation_of_earlier_build('meta', 'meta_study_qc') }}  ->  "warehouse"."meta"."meta_study_qc" -#}
{% macro relation_of_earlier_build(schema, identifier) %}
    {% set relation = api.Relation.create(
        database=target.database, schema=schema_name(schema), identifier=identifier, type='table'
    ) %}
    {% if not execute %}
        {{ return(none) }}
    {% elif is_offline() %}
        {{ return(relation if var('compile_as', 'full') == 'incremental' else none) }}
    {% endif %}
    {{ return(load_relation(relation)) }}
{% endmacro %}


{#- The same; none in a full refresh too, which computes all rows anew. For models upstream of a table, which
    compute what it does not have yet. -#}
{% macro relation_to_extend(schema, identifier) %}
    {{ return(none if flags.FULL_REFRESH else relation_of_earlier_build(schema, identifier)) }}
{% endmacro %}
