{#- The least and the greatest pooled estimate of each group when one of its studies is left
    out, each in its turn (Viechtbauer & Cheung 2010), as CTEs of a `with` chain. The last is
    <name>, a row a group of two studies or more. The arguments are those of dsl_pool, and
    study, the column that tells the studies of a group apart.

    with components as (…),
    {{ leave_one_out('loo_ss', 'components', ['pair_key'], 'study_key', 'dz', 'dz_se') }}
    select * from loo_ss

    components                             loo_ss
    pair_key | study_key | dz   | dz_se    pair_key | loo_min | loo_max
    7        | 1         | 0.5  | 0.2      7        | 0.1     | 0.5
    7        | 2         | 0.1  | 0.1

    Each study left out makes a group of its own, which dsl_pool's steps pool (as
    <name>_pooled_effect, with left_out = the study); a group of k studies makes k (k - 1) rows. -#}
{% macro leave_one_out(name, relation, group_by, study, theta, se) -%}
{{ name }}_studies as (
    {{ effect_weights(relation, group_by + [study], theta, se) | indent(4) }}
),

{{ name }}_others as (
    select
        {{ group_columns(group_by, 'l') }},
        l.{{ study }} as left_out,
        o.theta,
        o.se
    from {{ name }}_studies as l
    inner join {{ name }}_studies as o
        on {{ same_group(group_by, 'l', 'o') }} and l.{{ study }} <> o.{{ study }}
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
