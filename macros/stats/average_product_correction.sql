{#- Average product correction (APC; Dunn, Wahl & Gloor 2008): a pair's score minus the score expected from
    the means over its two genes' pairs, x - mean_a mean_b / mean. A SQL expression. If the overall mean is 0
    (all scores are 0), the expected score is 0.

    x   | mean_a | mean_b | mean    {{ average_product_correction('x', 'mean_a', 'mean_b', 'mean') }}
    0.8 | 0.6    | 0.3    | 0.4     0.35 -#}
{% macro average_product_correction(x, mean_a, mean_b, mean) -%}
{{ x }} - coalesce({{ mean_a }} * {{ mean_b }} / nullif({{ mean }}, 0e0), 0e0)
{%- endmacro %}
