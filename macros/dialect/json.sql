{#- Macros that read JSON stored as text. Paths are JSON paths ('$.samples'). A JSON null and a
    missing key both give null. -#}

{#- One value as text of at most 4,000 characters (SQL Server gives null for longer values: use
    `json_long_text` for those).
    {{ json_text('doc', '$.title') }}  ->  json_value(doc, '$.title')  |  json_extract_string(doc, '$.title') -#}
{% macro json_text(document, path) %}{{ return(adapter.dispatch('json_text', 'expression_warehouse')(document, path)) }}{% endmacro %}

{% macro default__json_text(document, path) %}json_value({{ document }}, '{{ path }}'){% endmacro %}

{% macro duckdb__json_text(document, path) %}json_extract_string({{ document }}, '{{ path }}'){% endmacro %}


{#- One value of an object as text of any length.
    {{ json_long_text('experiment', 'description') }} -#}
{% macro json_long_text(document, key) %}{{ return(adapter.dispatch('json_long_text', 'expression_warehouse')(document, key)) }}{% endmacro %}

{% macro default__json_long_text(document, key) %}(select j.value from openjson({{ document }}) as j where j.[key] = '{{ key }}'){% endmacro %}

{% macro duckdb__json_long_text(document, key) %}json_extract_string({{ document }}, '$.{{ key }}'){% endmacro %}


{#- An object within a document, as text. A document of a study has all its samples, and each value read from it
    reads it whole.
    {{ json_document('doc', '$.experiment') }}  ->  json_query(doc, '$.experiment')  |  json_extract(doc, '$.experiment') -#}
{% macro json_document(document, path) %}{{ return(adapter.dispatch('json_document', 'expression_warehouse')(document, path)) }}{% endmacro %}

{% macro default__json_document(document, path) %}json_query({{ document }}, '{{ path }}'){% endmacro %}

{% macro duckdb__json_document(document, path) %}json_extract({{ document }}, '{{ path }}'){% endmacro %}


{#- A JSON object as text. `members`: name → SQL expression.
    {{ json_object({'study': 'accession', 'n': 'count(*)'}) }}  ->  {"study": "GSE1", "n": 3} -#}
{% macro json_object(members) %}{{ return(adapter.dispatch('json_object', 'expression_warehouse')(members)) }}{% endmacro %}

{% macro default__json_object(members) -%}
json_object({% for name, value in members.items() %}'{{ name }}': {{ value }}{{ ', ' if not loop.last }}{% endfor %})
{%- endmacro %}

{% macro duckdb__json_object(members) -%}
cast(json_object({% for name, value in members.items() %}'{{ name }}', {{ value }}{{ ', ' if not loop.last }}{% endfor %}) as varchar)
{%- endmacro %}


{#- A query that returns one row per member of an object: the `keys` columns of `relation`, the
    member's `name` and its `content` as text (an object as JSON). A row that lacks the path returns
    no rows.

    study                                   {{ json_object_rows('study', ['id'], 'doc', '$.samples') }}
    id | doc                                id | name | content
    7  | {"samples": {"A": 1, "B": 2}}  ->  7  | A    | 1
                                            7  | B    | 2

    It is a whole query rather than an item of a from clause: DuckDB would otherwise carry the whole
    document along with each member, and run out of memory at a few thousand samples. -#}
{% macro json_object_rows(relation, keys, document, path) %}{{ return(adapter.dispatch('json_object_rows', 'expression_warehouse')(relation, keys, document, path)) }}{% endmacro %}

{#- openjson returns names in a binary collation, which cannot be compared with other text. -#}
{% macro default__json_object_rows(relation, keys, document, path) -%}
select
    {%- for key in keys %}
    r.{{ key }},
    {%- endfor %}
    j.[key] collate database_default as name,
    j.value as content
from {{ relation }} as r
cross apply openjson(r.{{ document }}, '{{ path }}') as j
{%- endmacro %}

{% macro duckdb__json_object_rows(relation, keys, document, path) -%}
select
    {%- for key in keys %}
    {{ key }},
    {%- endfor %}
    member.key as name,
    json_extract_string(member.value, '$') as content
from (
    select
        {%- for key in keys %}
        {{ key }},
        {%- endfor %}
        unnest(map_entries(cast(json_extract({{ document }}, '{{ path }}') as map(varchar, json)))) as member
    from {{ relation }}
) as members
{%- endmacro %}


{#- A query that returns one row per element of an array of texts or numbers: the `keys` columns of
    `relation` and the element's `content` as text.

    {"skip": ["A", "B"]}   {{ json_array_rows('study', ['id'], 'doc', '$.skip') }}  ->  7 | A
                                                                                      7 | B -#}
{% macro json_array_rows(relation, keys, document, path) %}{{ return(adapter.dispatch('json_array_rows', 'expression_warehouse')(relation, keys, document, path)) }}{% endmacro %}

{% macro default__json_array_rows(relation, keys, document, path) -%}
select
    {%- for key in keys %}
    r.{{ key }},
    {%- endfor %}
    j.value as content
from {{ relation }} as r
cross apply openjson(r.{{ document }}, '{{ path }}') as j
{%- endmacro %}

{% macro duckdb__json_array_rows(relation, keys, document, path) -%}
select
    {%- for key in keys %}
    {{ key }},
    {%- endfor %}
    unnest(cast(json_extract({{ document }}, '{{ path }}') as varchar[])) as content
from {{ relation }}
{%- endmacro %}
