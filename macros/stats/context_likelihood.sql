{#- Context likelihood of relatedness (CLR; Faith et al. 2007): how far a pair's score lies above the usual
    score of either gene, sqrt(max(0, z_a)^2 + max(0, z_b)^2) with z_a = (x - mean_a) / sd_a over the pairs
    of gene a. This keeps hubs, whose pairs all score high, from filling the top of a ranking. If all pairs
    of a gene have the same score, its z is 0. A SQL expression.

    x | mean_a | sd_a | mean_b | sd_b    {{ context_likelihood('x', 'mean_a', 'sd_a', 'mean_b', 'sd_b') }}
    5 | 2      | 1    | 3      | 0.5     5      sqrt(3^2 + 4^2)
    5 | 2      | 1    | 6      | 0.5     3      z_b is below 0 -#}
{% macro context_likelihood(x, mean_a, sd_a, mean_b, sd_b) -%}
{%- set z_a = 'greatest(0e0, coalesce((' ~ x ~ ' - ' ~ mean_a ~ ') / nullif(' ~ sd_a ~ ', 0e0), 0e0))' -%}
{%- set z_b = 'greatest(0e0, coalesce((' ~ x ~ ' - ' ~ mean_b ~ ') / nullif(' ~ sd_b ~ ', 0e0), 0e0))' -%}
case when {{ x }} is not null then sqrt({{ z_a }} * {{ z_a }} + {{ z_b }} * {{ z_b }}) end
{%- endmacro %}
