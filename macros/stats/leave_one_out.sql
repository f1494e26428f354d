{#- Leave-one-out range: the smallest and the largest pooled estimate of each group when each of its
    studies is left out in turn (Viechtbauer & Cheung 2010), as CTEs of a `with` chain. The last CTE is
    <name>, one row per group of at least two studies. The arguments are those of dsl_pool plus `study`,
    the column that identifies the studies of a group.

    with components as (…),
    {{ leave_one_out('loo_ss', 'components', ['pair_key'], 'study_key', 'dz', 'dz_se') }}
    select * from loo_ss

    components                             loo_ss
    pair_key | study_key | dz   | dz_se    pair_key | loo_min | loo_max
    7        | 1         | 0.5  | 0.2      7        | 0.1     | 0.5
    7        | 2         | 0.1  | 0.1

    <name>_pooled_effect has the estimate theta_re without each study, left_out. The formulas are those
    of dsl_pool's steps. A group of k studies makes k (k - 2) rows, twice: this macro needs two passes
    rather than dsl_pool's three, because it takes sums about the estimate of the most precise remaining
    study, `top`, rather than about theta_f. With d = theta - top_theta

        Q = sum(w d^2) - (sum(w d))^2 / sum(w)

    loses at most the digits of k + 1. Q is at least w_top m^2, with m the mean of d; sum(w) is at most
    k w_top; so the subtracted term, sum(w) m^2, is at most k Q. The macro never subtracts one study from a
    sum over all studies: that would lose digits if the study left out is an outlier. -#}
{% macro leave_one_out(name, relation, group_by, study, theta, se) -%}
{{ name }}_studies as (
    {{ effect_weights(relation, group_by + [study], theta, se) | indent(4) }}
),

-- row_no 1 is the most precise study.
{{ name }}_places as {{ materialized() }}(
    select
        {{ group_columns(group_by, 's') }},
        s.{{ study }} as left_out,
        s.theta,
        s.se,
        s.w,
        row_number() over (
            partition by {{ group_columns(group_by, 's') }}
            order by s.se, s.{{ study }}
        ) as row_no
    from {{ name }}_studies as s
),

-- group_no replaces the group's columns in the joins below.
{{ name }}_groups as (
    select
        {{ group_columns(group_by, 'p') }},
        row_number() over (order by {{ group_columns(group_by, 'p') }}) as group_no,
        count(*) - 1 as k,
        {%- for row_no in [1, 2] %}
        max(case when p.row_no = {{ row_no }} then p.theta end) as theta_{{ row_no }},
        max(case when p.row_no = {{ row_no }} then p.se end) as se_{{ row_no }},
        max(case when p.row_no = {{ row_no }} then p.w end) as w_{{ row_no }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ name }}_places as p
    group by {{ group_columns(group_by, 'p') }}
    having count(*) > 1
),

{{ name }}_others as {{ materialized() }}(
    select
        {{ group_columns(group_by, 'p') }},
        g.group_no,
        p.left_out,
        p.row_no,
        p.theta,
        p.se,
        p.w,
        g.k,
        case when p.row_no = 1 then 2 else 1 end as top_row_no,
        case when p.row_no = 1 then g.theta_2 else g.theta_1 end as top_theta,
        case when p.row_no = 1 then g.se_2 else g.se_1 end as top_se,
        case when p.row_no = 1 then g.w_2 else g.w_1 end as top_w
    from {{ name }}_places as p
    inner join {{ name }}_groups as g on {{ same_group(group_by, 'p', 'g') }}
),

-- Sums over the remaining studies except `top`, whose d is 0. Empty in a group of two studies.
{{ name }}_fixed_sums as (
    select
        l.group_no,
        l.row_no,
        coalesce(sum(o.w), 0e0) as rest_w,
        coalesce(sum(o.w * o.w), 0e0) as rest_ww,
        coalesce(sum(o.w * (o.theta - l.top_theta)), 0e0) as sum_wd,
        coalesce(sum(o.w * (o.theta - l.top_theta) * (o.theta - l.top_theta)), 0e0) as sum_wdd
    from {{ name }}_others as l
    left join {{ name }}_others as o
        on l.group_no = o.group_no and l.row_no <> o.row_no and l.top_row_no <> o.row_no
    group by l.group_no, l.row_no
),

{{ name }}_cochran_q as (
    select
        l.group_no,
        l.row_no,
        l.top_row_no,
        l.top_se,
        l.k,
        l.top_theta as theta_f,
        greatest(0e0, s.sum_wdd - s.sum_wd * s.sum_wd / (l.top_w + s.rest_w)) as q,
        (2e0 * l.top_w * s.rest_w + (s.rest_w * s.rest_w - s.rest_ww)) / (l.top_w + s.rest_w) as c
    from {{ name }}_others as l
    inner join {{ name }}_fixed_sums as s on l.group_no = s.group_no and l.row_no = s.row_no
),

{{ name }}_tau_squared as (
    {{ tau_squared(name ~ '_cochran_q', ['group_no', 'row_no', 'top_row_no', 'top_se']) | indent(4) }}
),

{{ name }}_estimates as (
    select
        l.group_no,
        l.row_no,
        max(l.theta_f) + coalesce(sum((o.theta - l.theta_f) / (o.se * o.se + l.tau2)), 0e0)
        / (max(1e0 / (l.top_se * l.top_se + l.tau2)) + coalesce(sum(1e0 / (o.se * o.se + l.tau2)), 0e0))
            as theta_re
    from {{ name }}_tau_squared as l
    left join {{ name }}_others as o
        on l.group_no = o.group_no and l.row_no <> o.row_no and l.top_row_no <> o.row_no
    group by l.group_no, l.row_no
),

{{ name }}_pooled_effect as (
    select
        {{ group_columns(group_by, 'l') }},
        l.left_out,
        e.theta_re
    from {{ name }}_others as l
    inner join {{ name }}_estimates as e on l.group_no = e.group_no and l.row_no = e.row_no
),

{{ name }} as (
    select
        {{ group_columns(group_by, 'p') }},
        min(p.theta_re) as loo_min,
        max(p.theta_re) as loo_max
    from {{ name }}_pooled_effect as p
    group by {{ group_columns(group_by, 'p') }}
)
{%- endmacro %}
