{#- One side of a contrast within a study: the inverse-variance mean of the Fisher z of its cohorts,
    z = sum(w z) / sum(w) with w = 1 / SE^2 (n - 3 for the default standard error), whose variance is
    1 / sum(w) (Fisher 1925, section 35). Aggregates over the cohorts of a study (columns side, theta, se). Correlating all samples
    of the side as one group instead would take differences of means between its cohorts for
    correlation.

    cohort      | side      | theta | se       {{ weighted_side('REFERENCE') }} -> 0.3
    CONTROL     | REFERENCE | 0.4   | 0.1      {{ side_weight('REFERENCE') }}   -> 200
    SEPSIS      | REFERENCE | 0.2   | 0.1 -#}
{% macro weighted_side(side) -%}
sum(case when c.side = '{{ side }}' then e.theta / (e.se * e.se) end) / sum(case when c.side = '{{ side }}' then 1e0 / (e.se * e.se) end)
{%- endmacro %}

{% macro side_weight(side) -%}
sum(case when c.side = '{{ side }}' then 1e0 / (e.se * e.se) end)
{%- endmacro %}
