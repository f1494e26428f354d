{#- The variance between studies, tau^2 = max(0, (Q - (k - 1)) / C) (DerSimonian & Laird 1986); 0 for one
    study. A select that returns the group columns, k, theta_f, q, tau2.

    cochran_q                             {{ tau_squared('cochran_q', ['pair_key']) }}
    pair_key | k | theta_f | q   | c      pair_key | k | theta_f | q   | tau2
    7        | 2 | 0.18    | 3.2 | 40     7        | 2 | 0.18    | 3.2 | 0.055 -#}
{% macro tau_squared(cochran_q, group_by) -%}
    select
        {{ group_columns(group_by, 'c') }},
        c.k,
        c.theta_f,
        c.q,
        case when c.q > c.k - 1e0 and c.c > 0e0 then (c.q - (c.k - 1e0)) / c.c else 0e0 end as tau2
    from {{ cochran_q }} as c
{%- endmacro %}
