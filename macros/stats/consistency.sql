{#- How well the studies of each group agree with its pooled estimate in sign, and with one another in
    size. A select that returns the group columns and

    kappa                   sum(w* [sign theta = sign theta_re]) / sum(w*), w* = 1 / (SE^2 + tau^2)
    direction_consistency   the same without weights: the share of studies with the pooled sign
    magnitude_consistency   1 - min(1, sd|theta| / mean|theta|), sd with n - 1; 1 for one study
    consistency_score       sqrt(direction_consistency magnitude_consistency)

    relation, group_by, theta, se   the arguments that dsl_pool got
    pooled                          dsl_pool's result for them; its theta_re and tau2 are used

    components              {{ consistency('components', ['pair_key'], 'dz', 'dz_se', 'ss') }}
    pair_key | dz   | dz_se   pair_key | kappa | direction_consistency | magnitude_… | …_score
    7        | 0.4  | 0.1     7        | 0.667 | 0.667                 | 0.667       | 0.667
    7        | 0.3  | 0.1
    7        | -0.2 | 0.1

    If all estimates are 0, magnitude_consistency is 1. -#}
{% macro consistency(relation, group_by, theta, se, pooled) -%}
    select
        {{ group_columns(group_by, 'c') }},
        c.kappa,
        c.direction_consistency,
        c.magnitude_consistency,
        sqrt(c.direction_consistency * c.magnitude_consistency) as consistency_score
    from (
        select
            {{ group_columns(group_by, 's') }},
            sum(s.w * s.agrees) / sum(s.w) as kappa,
            avg(s.agrees) as direction_consistency,
            case
                when count(*) = 1 or max(s.magnitude) = 0e0 then 1e0
                else 1e0 - least(1e0, {{ stddev('s.magnitude') }} / nullif(avg(s.magnitude), 0e0))
            end as magnitude_consistency
        from (
            select
                {{ group_columns(group_by, 'w') }},
                1e0 / (w.se * w.se + p.tau2) as w,
                case when sign(w.theta) = sign(p.theta_re) then 1e0 else 0e0 end as agrees,
                abs(w.theta) as magnitude
            from (
                {{ effect_weights(relation, group_by, theta, se) }}
            ) as w
            inner join {{ pooled }} as p on {{ same_group(group_by, 'w', 'p') }}
        ) as s
        group by {{ group_columns(group_by, 's') }}
    ) as c
{%- endmacro %}
