{#- Average product correction (APC; Dunn, Wahl & Gloor 2008): a pair's score less what the means of its
    genes' pairs let expect, x - mean_a mean_b / mean. A SQL expression; where all scores are 0,
    nothing is expected.

    x   | mean_a | mean_b | mean    {{ average_product_correction('x', 'mean_a', 'mean_b', 'mean') }}
    0.8 | 0.6    | 0.3    | 0.4     0.35 -#}
{% macro average_product_correction(x, mean_a, mean_b, mean) -%}
{{ x }} - coalesce({{ mean_a }} * {{ mean_b }} / nullif({{ mean }}, 0e0), 0e0)
{%- endmacro %}
