{#- The least and the greatest pooled estimate of each group when one of its studies is left
    out, each in its turn (Viechtbauer & Cheung 2010), as CTEs of a `with` chain. The last is
    <name>, a row a group of two studies or more; the arguments are those of dsl_pool.

    with components as (…),
    {{ leave_one_out('loo_ss', 'components', ['pair_key'], 'dz', 'dz_se') }}
    select * from loo_ss

    components                 loo_ss
    pair_key | dz   | dz_se    pair_key | loo_min | loo_max
    7        | 0.5  | 0.2      7        | 0.1     | 0.5
    7        | 0.1  | 0.1

    Each study left out makes a group of its own, which dsl_pool's steps pool (as
    <name>_pooled_effect, with left_out = the place of the study in the order of se, theta);
    a group of k studies makes k (k - 1) rows. -#}
{% macro leave_one_out(name, relation, group_by, theta, se) -%}
{{ name }}_studies as (
    select
        w.*,
        row_number() over (
            partition by {{ group_columns(group_by, 'w') }} order by w.se, w.theta
        ) as study_number
    from (
        {{ effect_weights(relation, group_by, theta, se) }}
    ) as w
),

{{ name }}_others as (
    select
        {{ group_columns(group_by, 'l') }},
        l.study_number as left_out,
        o.theta,
        o.se
    from {{ name }}_studies as l
    inner join {{ name }}_studies as o
        on {{ same_group(group_by, 'l', 'o') }} and l.study_number <> o.study_number
),

{{ random_effects(name, name ~ '_others', group_by + ['left_out'], 'theta', 'se') }},

{{ name }} as (
    select
        {{ group_columns(group_by, 'p') }},
        min(p.theta_re) as loo_min,
        max(p.theta_re) as loo_max
    from {{ name }}_pooled_effect as p
    group by {{ group_columns(group_by, 'p') }}
)
{%- endmacro %}
