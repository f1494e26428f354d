{#- Reading JSON that is kept as text. Paths are JSON paths ('$.samples'). A JSON null and a
    missing key both give null. -#}

{#- One value as text, of at most 4,000 characters (longer gives null on SQL Server: use
    `json_long_text`).
    {{ json_text('doc', '$.title') }}  ->  json_value(doc, '$.title')  |  json_extract_string(doc, '$.title') -#}
{% macro json_text(document, path) %}{{ return(adapter.dispatch('json_text', 'expression_warehouse')(document, path)) }}{% endmacro %}

{% macro default__json_text(document, path) %}json_value({{ document }}, '{{ path }}'){% endmacro %}

{% macro duckdb__json_text(document, path) %}json_extract_string({{ document }}, '{{ path }}'){% endmacro %}


{#- One value of any length, by its object's path and its key.
    {{ json_long_text('doc', '$.experiment', 'description') }} -#}
{% macro json_long_text(document, path, key) %}{{ return(adapter.dispatch('json_long_text', 'expression_warehouse')(document, path, key)) }}{% endmacro %}

{% macro default__json_long_text(document, path, key) %}(select j.value from openjson({{ document }}, '{{ path }}') as j where j.[key] = '{{ key }}'){% endmacro %}

{% macro duckdb__json_long_text(document, path, key) %}json_extract_string({{ document }}, '{{ path }}.{{ key }}'){% endmacro %}


{#- The members of an object, or the elements of an array, joined to each row of the from
    clause: `<alias>.name` (key, or index from 0) and `<alias>.content` (text; an object as
    JSON). Rows without that path drop out.

    from study as s {{ json_members('s.doc', '$.samples', 'm') }}

    study.doc {"samples": {"A": 1, "B": 2}}  ->  name | content
                                                 A    | 1
                                                 B    | 2 -#}
{% macro json_members(document, path, alias) %}{{ return(adapter.dispatch('json_members', 'expression_warehouse')(document, path, alias)) }}{% endmacro %}

{% macro default__json_members(document, path, alias) %}cross apply (
        select j.[key] as name, j.value as content
        from openjson({{ document }}, '{{ path }}') as j
    ) as {{ alias }}{% endmacro %}

{% macro duckdb__json_members(document, path, alias) %}cross join lateral (
        select j.key as name, json_extract_string(j.value, '$') as content
        from json_each({{ document }}, '{{ path }}') as j
    ) as {{ alias }}{% endmacro %}
