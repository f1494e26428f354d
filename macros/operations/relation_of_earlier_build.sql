{#- A table that a model looks at before it is built anew: the relation, or none where no build has made
    it yet. `ref` would make the model wait for it. Compiled without a connection, it is what
    var compile_as says (is_incremental.sql).

    {{ relation_of_earlier_build('meta', 'meta_study_qc') }}  ->  "warehouse"."meta"."meta_study_qc" -#}
{% macro relation_of_earlier_build(schema, identifier) %}
    {% set relation = api.Relation.create(
        database=target.database, schema=schema_name(schema), identifier=identifier, type='table'
    ) %}
    {% if not execute %}
        {{ return(none) }}
    {% elif flags.WHICH == 'compile' and not flags.INTROSPECT %}
        {{ return(relation if var('compile_as', 'full') == 'incremental' else none) }}
    {% endif %}
    {{ return(load_relation(relation)) }}
{% endmacro %}


{#- meta_study_qc as earlier builds left it. -#}
{% macro study_qc_relation() %}{{ return(relation_of_earlier_build('meta', 'meta_study_qc')) }}{% endmacro %}
