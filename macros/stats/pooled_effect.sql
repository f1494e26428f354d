{#- The random-effects estimate per group: with w* = 1 / (SE^2 + tau^2),
    theta_re = sum(w* theta) / sum(w*) and se_re = sqrt(1 / sum(w*)) (DerSimonian & Laird 1986).
    A select that returns the group columns, k, df = k - 1, q, tau2, theta_re, se_re,
    z = theta_re / se_re and residual_q = sum(w* (theta - theta_re)^2).

    weights                        {{ pooled_effect('weights', 'tau_squared', ['pair_key']) }}
    pair_key | theta | se  | w     pair_key | k | q   | tau2  | theta_re | se_re | z    | residual_q
    7        | 0.5   | 0.2 | 25    7        | 2 | 3.2 | 0.055 | 0.2625   | 0.196 | 1.34 | 1
    7        | 0.1   | 0.1 | 100

    The sums are taken about theta_f. The most precise study lies near it and has the greatest w*, so
    that residual_q loses at most the digits of k. -#}
{% macro pooled_effect(weights, tau_squared, group_by) -%}
    select
        {{ group_columns(group_by, 'm') }},
        m.k,
        m.k - 1 as df,
        m.q,
        m.tau2,
        m.theta_re,
        m.se_re,
        m.theta_re / m.se_re as z,
        m.residual_q
    from (
        select
            {{ group_columns(group_by, 's') }},
            s.k,
            s.q,
            s.tau2,
            s.theta_f + s.sum_wd / s.sum_w as theta_re,
            sqrt(1e0 / s.sum_w) as se_re,
            greatest(0e0, s.sum_wdd - s.sum_wd * s.sum_wd / s.sum_w) as residual_q
        from (
            select
                {{ group_columns(group_by, 'd') }},
                max(d.k) as k,
                max(d.q) as q,
                max(d.tau2) as tau2,
                max(d.theta_f) as theta_f,
                sum(d.w) as sum_w,
                sum(d.w * d.deviation) as sum_wd,
                sum(d.w * d.deviation * d.deviation) as sum_wdd
            from (
                select
                    {{ group_columns(group_by, 'w') }},
                    t.k,
                    t.q,
                    t.tau2,
                    t.theta_f,
                    1e0 / (w.se * w.se + t.tau2) as w,
                    w.theta - t.theta_f as deviation
                from {{ weights }} as w
                inner join {{ tau_squared }} as t on {{ same_group(group_by, 'w', 't') }}
            ) as d
            group by {{ group_columns(group_by, 'd') }}
        ) as s
    ) as m
{%- endmacro %}
