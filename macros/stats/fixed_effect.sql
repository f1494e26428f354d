{#- The fixed-effect mean sum(w theta) / sum(w) of each group (Cochran 1954), and the sums that
    Cochran's Q needs. A select; group columns, k, theta_f, sum_w, max_w.

    weights                        {{ fixed_effect('weights', ['pair_key']) }}
    pair_key | theta | se  | w     pair_key | k | theta_f | sum_w | max_w
    7        | 0.5   | 0.2 | 25    7        | 2 | 0.18    | 125   | 100
    7        | 0.1   | 0.1 | 100

    The mean is held between the least and the greatest estimate, which rounding alone could
    leave: the deviations of equal estimates are then 0, and Q with them. -#}
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
