{#- Two helpers for the steps that work per group.

    {{ group_columns(['pair_key', 'technology'], 'a') }}    ->  a.pair_key, a.technology
    {{ same_group(['pair_key', 'technology'], 'a', 'b') }}  ->  a.pair_key = b.pair_key and a.technology = b.technology

    A row with a null in a group column belongs to no group. -#}
{% macro group_columns(group_by, alias) -%}
{%- for column in group_by -%}
{{ alias }}.{{ column }}{{ ', ' if not loop.last }}
{%- endfor -%}
{%- endmacro %}

{% macro same_group(group_by, alias, other) -%}
{%- for column in group_by -%}
{{ alias }}.{{ column }} = {{ other }}.{{ column }}{{ ' and ' if not loop.last }}
{%- endfor -%}
{%- endmacro %}
