{#- A text prepared for whole-word search of illness phrases: in lower case, with one space before and
    after, and ASCII punctuation replaced by spaces (except `_`, which belongs to a word).

    'INFG_139 Non-Sepsis'  ->  ' infg_139 non sepsis '

    The text contains the phrase p as whole words if the result contains ' p '. This is what the regular
    expression \bp\b would find, on an engine without regular expressions. -#}
{% macro illness_words(text) -%}
{%- set separators = "-/+.,;:()[]{}<>|&*#\"!?=~@$%^`'\\" -%}
concat(' ', translate(lower({{ text }}), '{{ separators | replace("'", "''") }}', '{{ ' ' * (separators | length) }}'), ' ')
{%- endmacro %}
