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


{#- Both sides of a contrast within a study, as a list of aggregates over its cohorts: n, case_z, case_weight,
    reference_z, reference_weight.

    select e.pair_key, {{ sides_of_contrast() }} from … group by e.pair_key
    pair_key | n   | case_z | case_weight | reference_z | reference_weight
    1        | 434 | 0.5    | 25          | 0.25        | 400 -#}
{% macro sides_of_contrast() -%}
sum(e.n) as n,
        {{ weighted_side('CASE') }} as case_z,
        {{ side_weight('CASE') }} as case_weight,
        {{ weighted_side('REFERENCE') }} as reference_z,
        {{ side_weight('REFERENCE') }} as reference_weight
{%- endmacro %}


{#- The difference of both sides and its standard error, theta and se, from the columns of sides_of_contrast; the
    variances of independent cohorts add up.

    case_z | case_weight | reference_z | reference_weight    {{ difference_of_sides('s') }} -> theta | se
    0.5    | 25          | 0.25        | 400                                                  0.25  | 0.2062 -#}
{% macro difference_of_sides(sides) -%}
{{ sides }}.case_z - {{ sides }}.reference_z as theta,
    sqrt(1e0 / {{ sides }}.case_weight + 1e0 / {{ sides }}.reference_weight) as se
{%- endmacro %}
