{#- Cochran's Q = sum(w (theta - theta_f)^2) per group, and the C by which DerSimonian and Laird (1986)
    scale it. A select that returns the group columns, k, theta_f, q, c.

    weights                        {{ cochran_q('weights', 'fixed_effect', ['pair_key']) }}
    pair_key | theta | se  | w     pair_key | k | theta_f | q   | c
    7        | 0.5   | 0.2 | 25    7        | 2 | 0.18    | 3.2 | 40
    7        | 0.1   | 0.1 | 100

    Q is computed from deviations, so that an offset common to all estimates costs no digits. Subtracting
    the square of their sum corrects for the rounding of theta_f (the corrected two-pass algorithm:
    Chan, Golub & LeVeque 1983).

    C = sum(w) - sum(w^2) / sum(w) would lose all digits if one study is far more precise than the rest.
    The equal expression used here is the sum of w_i w_j over i <> j, divided by sum(w); it keeps the
    studies of greatest weight (`top`) apart from the rest. -#}
{% macro cochran_q(weights, fixed_effect, group_by) -%}
    select
        {{ group_columns(group_by, 's') }},
        s.k,
        s.theta_f,
        greatest(0e0, s.sum_wdd - s.sum_wd * s.sum_wd / s.sum_w) as q,
        (
            s.top_count * (s.top_count - 1e0) * s.max_w * s.max_w
            + 2e0 * s.top_count * s.max_w * s.rest_w
            + (s.rest_w * s.rest_w - s.rest_ww)
        ) / s.sum_w as c
    from (
        select
            {{ group_columns(group_by, 'w') }},
            max(f.k) as k,
            max(f.theta_f) as theta_f,
            max(f.sum_w) as sum_w,
            max(f.max_w) as max_w,
            sum(w.w * (w.theta - f.theta_f)) as sum_wd,
            sum(w.w * (w.theta - f.theta_f) * (w.theta - f.theta_f)) as sum_wdd,
            sum(case when w.w = f.max_w then 1e0 else 0e0 end) as top_count,
            sum(case when w.w = f.max_w then 0e0 else w.w end) as rest_w,
            sum(case when w.w = f.max_w then 0e0 else w.w * w.w end) as rest_ww
        from {{ weights }} as w
        inner join {{ fixed_effect }} as f on {{ same_group(group_by, 'w', 'f') }}
        group by {{ group_columns(group_by, 'w') }}
    ) as s
{%- endmacro %}
