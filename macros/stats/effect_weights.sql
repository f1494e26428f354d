{#- The studies that take part in each group, with their fixed-effect weights w = 1 / SE^2 (DerSimonian &
    Laird 1986). A select that returns the group columns, theta, se, w.

    components                     {{ effect_weights('components', ['pair_key'], 'dz', 'dz_se') }}
    pair_key | dz   | dz_se        pair_key | theta | se  | w
    7        | 0.5  | 0.2          7        | 0.5   | 0.2 | 25
    7        | 0.1  | 0.1          7        | 0.1   | 0.1 | 100
    7        | null | 0.1
    7        | 0.3  | 0

    A study without an estimate, or without a standard error above 0, does not take part. -#}
{% macro effect_weights(relation, group_by, theta, se) -%}
    select
        {{ group_columns(group_by, 's') }},
        s.theta,
        s.se,
        1e0 / nullif(s.se * s.se, 0e0) as w
    from (
        select
            {{ group_columns(group_by, 'r') }},
            cast(r.{{ theta }} as float(53)) as theta,
            cast(r.{{ se }} as float(53)) as se
        from {{ relation }} as r
    ) as s
    where s.theta is not null and s.se > 0e0
{%- endmacro %}
