{#- A text prepared for whole-word search of illness phrases: in lower case, with one space before and
    after, and ASCII punctuation replaced by spaces.

    'INFG_139 Non-Sepsis'  ->  ' infg 139 non sepsis '

    The text contains the phrase p as whole words if the result contains ' p '. This is what the regular
    expression \bp\b would find if it did not take `_` for a letter: titles such as PBMC_healthy are common. -#}
{% macro illness_words(text) -%}
{%- set separators = illness_separators() -%}
concat(' ', translate(lower({{ text }}), '{{ separators | replace("'", "''") }}', '{{ ' ' * (separators | length) }}'), ' ')
{%- endmacro %}


{#- The ASCII punctuation that separates words. -#}
{% macro illness_separators() %}{{ return("_-/+.,;:()[]{}<>|&*#\"!?=~@$%^`'\\") }}{% endmacro %}
