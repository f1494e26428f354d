{#- A text made ready for whole-word search of illness phrases: lower case, one space before
    and after, ASCII punctuation (all but `_`, which is part of a word) spaces.

    'INFG_139 Non-Sepsis'  ->  ' infg_139 non sepsis '

    A phrase p then stands in the text as whole words where ' p ' stands in the result: what
    the regular expression \bp\b finds, on an engine that has none. -#}
{% macro illness_words(text) -%}
{%- set separators = "-/+.,;:()[]{}<>|&*#\"!?=~@$%^`'\\" -%}
concat(' ', translate(lower({{ text }}), '{{ separators | replace("'", "''") }}', '{{ ' ' * (separators | length) }}'), ' ')
{%- endmacro %}
