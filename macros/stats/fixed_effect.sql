{#- The fixed-effect mean sum(w theta) / sum(w) per group (Cochran 1954), and the sums that Cochran's Q
    needs. A select that returns the group columns, k, theta_f, sum_w, max_w.

    weights                        {{ fixed_effect('weights', ['pair_key']) }}
    pair_key | theta | se  | w     pair_key | k | theta_f | sum_w | max_w
    7        | 0.5   | 0.2 | 25    7        | 2 | 0.18    | 125   | 100
    7        | 0.1   | 0.1 | 100

    The mean is clamped to the range of the estimates, which rounding alone could leave. If all estimates
    are equal, their deviations, and therefore Q, are exactly 0. -#}
{% macro fixed_effect(weights, group_by) -%}
    select
        {{ group_columns(group_by, 'w') }},
        cast(count(*) as integer) as k,
        greatest(min(w.theta), least(max(w.theta), sum(w.w * w.theta) / sum(w.w))) as theta_f,
        sum(w.w) as sum_w,
        max(w.w) as max_w
    from {{ weights }} as w
    group by {{ group_columns(group_by, 'w') }}
{%- endmacro %}
