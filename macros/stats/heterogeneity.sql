{#- How far the studies of each group differ beyond their standard errors: the p of Cochran's Q
    (chi-square with k - 1 degrees of freedom) and I^2 = 100 max(0, (Q - (k - 1)) / Q), the percentage of
    the variation that is not sampling error (Higgins & Thompson 2002). For one study p is 1 and I^2 is 0.
    A select that returns the columns of `pooled`, q_p and i2.

    pooled_effect           {{ heterogeneity('pooled_effect') }}
    pair_key | k | q        pair_key | k | q   | q_p   | i2
    7        | 2 | 3.2      7        | 2 | 3.2 | 0.074 | 68.75
    8        | 1 | 0        8        | 1 | 0   | 1     | 0 -#}
{% macro heterogeneity(pooled) -%}
    select
        p.*,
        coalesce({{ chi_square_sf('p.q', 'p.df') }}, 1e0) as q_p,
        {{ i_squared('p.q', 'p.df') }} as i2
    from {{ pooled }} as p
{%- endmacro %}

{% macro i_squared(q, df) -%}
case when {{ q }} > {{ df }} then ({{ q }} - {{ df }}) / {{ q }} * 1e2 else 0e0 end
{%- endmacro %}
