{#- Standard error of the pooled effect by Hartung & Knapp (2001; Sidik & Jonkman 2002), which accounts
    for tau^2 being an estimate. With s^2 = sum(w* (theta - theta_re)^2) / (k - 1),

        hk_se       = se_re sqrt(s^2)
        hk_adhoc_se = se_re sqrt(max(1, s^2)), never below se_re

    The confidence interval uses the 97.5 % point of t with k - 1 degrees of freedom. A select that
    returns the columns of `pooled` (pooled_effect), hk_se, hk_adhoc_se, hk_z = theta_re / hk_se and
    hk_t975. All are null for one study. hk_z is also null if all estimates are equal: hk_se is then 0,
    or about 1e-16 of theta_re because of rounding.

    pooled_effect                                     {{ hartung_knapp('pooled_effect') }}
    pair_key | k | theta_re | se_re | residual_q      … | hk_se | hk_adhoc_se | hk_z | hk_t975
    7        | 3 | 0.3      | 0.1   | 0.5             … | 0.05  | 0.1         | 6    | 4.303 -#}
{% macro hartung_knapp(pooled) -%}
    select
        h.*,
        case when h.hk_se > 1e-12 * abs(h.theta_re) then h.theta_re / h.hk_se end as hk_z,
        case when h.k > 1 then {{ t_quantile_975('h.df') }} end as hk_t975
    from (
        select
            p.*,
            case when p.k > 1 then p.se_re * sqrt(p.residual_q / p.df) end as hk_se,
            case
                when p.k > 1 then p.se_re * sqrt(greatest(1e0, p.residual_q / p.df))
            end as hk_adhoc_se
        from {{ pooled }} as p
    ) as h
{%- endmacro %}
