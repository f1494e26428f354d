{#- Models that depend on the loaded bulk files: they keep their rows, with the column annotation_id, until another
    file is loaded (stg_annotation_state). -#}

{#- Their hooks: one build at a time fills such a table, and rows of other files are deleted first. -#}
{% macro annotation_hooks() %}
{{ return({
    'pre_hook': [
        {'sql': "{{ lock_keys(this.identifier) }}", 'transaction': false}, "{{ in_later_builds(remove_other_annotation(this)) }}"
    ],
    'post_hook': [{'sql': "{{ unlock_keys(this.identifier) }}", 'transaction': false}]
}) }}
{% endmacro %}


{% macro remove_other_annotation(table) %}
delete from {{ table }}
where annotation_id <> (select s.annotation_id from {{ ref('stg_annotation_state') }} as s)
{% endmacro %}


{#- The last condition of such a model: its rows are needed. If they are there, the engine reads no other table.

    {{ and_annotation_is_new() }}  ->  (no SQL) | and 1 = 0 | and not exists (select 1 from staging.stg_gene) -#}
{% macro and_annotation_is_new() %}
{%- set state = ref('stg_annotation_state') %}
{%- if is_incremental() %}
and {{ '1 = 0' if has_rows_of(this, state) else 'not exists (select 1 from ' ~ this ~ ')' }}
{%- endif %}
{% endmacro %}


{#- Whether a table has rows, all of them of the loaded files. False if compiled without a connection. -#}
{% macro has_rows_of(table, state) %}
    {% if not execute or is_offline() %}{{ return(false) }}{% endif %}
    {% set query %}
        select count(*)
        from {{ state }} as s
        where
            exists (select 1 from {{ table }} as t where t.annotation_id = s.annotation_id)
            and not exists (select 1 from {{ table }} as t where t.annotation_id <> s.annotation_id)
    {% endset %}
    {{ return(run_query(query).columns[0].values()[0] == 1) }}
{% endmacro %}
