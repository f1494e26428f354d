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


{#- A text prepared for the search of denials: as illness_words, but with the marks of a field (`:` or `=`) and the
    end of a clause (`;`) as words, and one space between all.

    'Septic shock: no (day=1)'  ->  ' septic shock : no ; day = 1 ; '

    Without them, `shock: no` would not differ from `shock no. 7`, or `sepsis=0` from `sepsis 0 h`. A full stop ends
    no clause: it is in numbers, too. -#}
{% macro illness_clauses(text) -%}
{%- set marked = "concat(replace(lower(" ~ text ~ "), ' - ', ';'), ';')" -%}
{%- set marked = "translate(" ~ marked ~ ", '" ~ (illness_separators() | replace("'", "''")) ~ "', '" ~ illness_marks() ~ "')" -%}
{%- set marked = separate_word(separate_word(separate_word(marked, ':'), '='), ';') -%}
replace(replace(replace(concat(' ', {{ marked }}), ' ', '<>'), '><', ''), '<>', ' ')
{%- endmacro %}


{#- What illness_clauses makes of each character of illness_separators. -#}
{% macro illness_marks() -%}
{%- set end_of_clause = ',;()[]{}|' -%}
{%- for character in illness_separators() -%}
{{ ';' if character in end_of_clause else character if character in ':=' else ' ' }}
{%- endfor -%}
{%- endmacro %}


{#- Expression: a text with spaces around each mark. -#}
{% macro separate_word(text, mark) %}{{ return("replace(" ~ text ~ ", '" ~ mark ~ "', ' " ~ mark ~ " ')") }}{% endmacro %}
