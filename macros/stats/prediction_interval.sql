{#- The 95 % prediction interval, in which the true effect of one more study is expected:
    theta_re -+ t sqrt(tau^2 + se_re^2), with t the 97.5 % point for k - 2 degrees of freedom (Higgins,
    Thompson & Spiegelhalter 2009); null for fewer than three studies. A select that returns the columns
    of `pooled` (pooled_effect), pi_low and pi_high.

    pooled_effect                               {{ prediction_interval('pooled_effect') }}
    pair_key | k | theta_re | se_re | tau2      … | pi_low | pi_high
    7        | 4 | 0.3      | 0.1   | 0.03      … | -0.561 | 1.161 -#}
{% macro prediction_interval(pooled) -%}
    select
        i.*,
        i.theta_re - i.pi_half_width as pi_low,
        i.theta_re + i.pi_half_width as pi_high
    from (
        select
            p.*,
            case
                when p.k > 2
                    then {{ t_quantile_975('(p.k - 2)') }} * sqrt(p.tau2 + p.se_re * p.se_re)
            end as pi_half_width
        from {{ pooled }} as p
    ) as i
{%- endmacro %}
