{#- Random-effects meta-analysis of each group of study estimates, with the leave-one-out range and
    the agreement of the studies: CTEs of a `with` chain. The last is <name>, one row per group; its
    columns are those of dsl_pool, leave_one_out (loo_min, loo_max) and consistency (kappa,
    direction_consistency, magnitude_consistency, consistency_score). Formulas and sources stand in
    those macros.

    name         prefix of the CTEs and name of the last
    relation     one row per study and group: group columns, study_no, theta, se
    group_by     list of its group columns
    study_count  the greatest study_no, which begins at 1; none if unknown, as in a compile without
                 a connection

    components                               {{ pool_estimates('pooled', 'components', ['pair_key'], 2) }}
    pair_key | study_no | theta | se         pair_key | k | theta_re | … | loo_min | loo_max | kappa | …
    7        | 1        | 0.5   | 0.2        7        | 2 | 0.2625   | … | 0.1     | 0.5     | 1     | …
    7        | 2        | 0.1   | 0.1

    T-SQL: the set-based steps. DuckDB: one column per study, so that sums over studies are plain
    expressions, up to 32 studies because the text grows with the square of their number. -#}
{% macro pool_estimates(name, relation, group_by, study_count) %}{{ return(adapter.dispatch('pool_estimates', 'expression_warehouse')(name, relation, group_by, study_count)) }}{% endmacro %}

{% macro default__pool_estimates(name, relation, group_by, study_count) -%}
{{ pool_estimates_by_rows(name, relation, group_by) }}
{%- endmacro %}

{% macro duckdb__pool_estimates(name, relation, group_by, study_count) -%}
{%- if study_count is none or study_count > 32 -%}
{{ pool_estimates_by_rows(name, relation, group_by) }}
{%- else -%}
{{ pool_estimates_by_columns(name, relation, group_by, study_count) }}
{%- endif -%}
{%- endmacro %}


{#- As pool_estimates: one row per study. -#}
{% macro pool_estimates_by_rows(name, relation, group_by) -%}
{{ dsl_pool(name ~ '_dsl', relation, group_by, 'theta', 'se') }},

{{ name }}_effects as {{ materialized() }}(
    select *
    from {{ name }}_dsl
),

{{ leave_one_out(name ~ '_loo', relation, group_by, 'study_no', 'theta', 'se') }},

{{ name }}_agreement as (
    {{ consistency(relation, group_by, 'theta', 'se', name ~ '_effects') | indent(4) }}
),

{{ name }} as (
    select
        p.*,
        l.loo_min,
        l.loo_max,
        a.kappa,
        a.direction_consistency,
        a.magnitude_consistency,
        a.consistency_score
    from {{ name }}_effects as p
    left join {{ name }}_loo as l on {{ same_group(group_by, 'p', 'l') }}
    left join {{ name }}_agreement as a on {{ same_group(group_by, 'p', 'a') }}
)
{%- endmacro %}


{#- As pool_estimates: one row per group, one column per study.

    400,000 groups of 10 studies take 2 CPU s, by rows 11. -#}
{% macro pool_estimates_by_columns(name, relation, group_by, study_count) -%}
{%- set all = range(1, study_count + 1) | list -%}
{{ name }}_studies as (
    select
        {{ group_columns(group_by, 'r') }}
        {%- for i in all %},
        max(case when r.study_no = {{ i }} and r.se > 0e0 then r.theta end) as theta_{{ i }},
        max(case when r.study_no = {{ i }} and r.se > 0e0 and r.theta is not null then 1e0 / (r.se * r.se) end) as w_{{ i }}
        {%- endfor %}
    from {{ relation }} as r
    group by {{ group_columns(group_by, 'r') }}
),

-- Sums of the weights of the studies before and after each one: no weight is ever subtracted.
{{ name }}_fixed_effect as (
    select
        t.*,
        {{ sum_over(all, 'case when t.w_@ is null then 0 else 1 end') }} as k,
        greatest(least({{ list_of(all, 't.theta_@') }}), least(greatest({{ list_of(all, 't.theta_@') }}),
            ({{ sum_over(all, 'coalesce(t.w_@ * t.theta_@, 0e0)') }}) / ({{ sum_over(all, 'coalesce(t.w_@, 0e0)') }})
        )) as theta_f
        {%- for i in range(0, study_count + 2) %},
        {{ sum_over(range(1, [i, study_count + 1] | min), 'coalesce(t.w_@, 0e0)') }} as before_{{ i }},
        {{ sum_over(range(i + 1, study_count + 1), 'coalesce(t.w_@, 0e0)') }} as after_{{ i }}
        {%- endfor %}
    from {{ name }}_studies as t
),

-- Deviations from the fixed-effect mean. A study without an estimate has deviation and weight 0.
{{ name }}_deviations as (
    select
        {{ group_columns(group_by, 't') }},
        t.k,
        t.k - 1 as df,
        t.theta_f,
        t.before_{{ study_count + 1 }} as sum_w
        {%- for i in all %},
        t.theta_{{ i }},
        coalesce(t.w_{{ i }}, 0e0) as w_{{ i }},
        1e0 / t.w_{{ i }} as v_{{ i }},
        coalesce(t.theta_{{ i }} - t.theta_f, 0e0) as d_{{ i }},
        t.before_{{ i }} as before_{{ i }},
        t.after_{{ i }} as after_{{ i }},
        coalesce(t.w_{{ i }} * t.before_{{ i }}, 0e0) as wb_{{ i }},
        coalesce(t.w_{{ i }} * t.after_{{ i }}, 0e0) as wa_{{ i }}
        {%- endfor %}
    from {{ name }}_fixed_effect as t
    where t.k > 0
),

-- w_a w_b summed over a < b, twice, is C times the sum of the weights: of all studies, and of all but i.
{{ name }}_cochran_q as (
    select
        t.*,
        greatest(0e0, ({{ sum_over(all, 't.w_@ * t.d_@ * t.d_@') }}) - ({{ sum_over(all, 't.w_@ * t.d_@') }}) * ({{ sum_over(all, 't.w_@ * t.d_@') }}) / t.sum_w) as q,
        2e0 * ({{ sum_over(all, 't.wb_@') }}) / t.sum_w as c
        {%- for i in all %},
        2e0 * ({{ sum_over(range(1, i), 't.wb_@') }} + {{ sum_over(range(i + 1, study_count + 1), 't.wa_@') }} + t.before_{{ i }} * t.after_{{ i }})
        / nullif(t.before_{{ i }} + t.after_{{ i }}, 0e0) as c_{{ i }},
        ({{ sum_over(all | reject('equalto', i), 't.w_@ * t.d_@') }}) / nullif(t.before_{{ i }} + t.after_{{ i }}, 0e0) as mean_{{ i }}
        {%- endfor %}
    from {{ name }}_deviations as t
),

{{ name }}_tau_squared as (
    select
        t.*,
        case when t.q > t.df and t.c > 0e0 then (t.q - t.df) / t.c else 0e0 end as tau2
        {%- for i in all %},
        case
            when t.c_{{ i }} > 0e0
                then greatest(0e0, ({{ sum_over(all | reject('equalto', i), 't.w_@ * (t.d_@ - t.mean_' ~ i ~ ') * (t.d_@ - t.mean_' ~ i ~ ')') }} - (t.df - 1e0)) / t.c_{{ i }})
            else 0e0
        end as tau2_{{ i }}
        {%- endfor %}
    from {{ name }}_cochran_q as t
),

{{ name }}_weights as (
    select
        t.*,
        ({{ sum_over(all, 'coalesce(abs(t.theta_@), 0e0)') }}) / t.k as mean_size
        {%- for i in all %},
        coalesce(1e0 / (t.v_{{ i }} + t.tau2), 0e0) as s_{{ i }},
        case
            when t.v_{{ i }} is not null
                then t.theta_f + ({{ sum_over(all | reject('equalto', i), 'coalesce(t.d_@ / (t.v_@ + t.tau2_' ~ i ~ '), 0e0)') }})
                / nullif({{ sum_over(all | reject('equalto', i), 'coalesce(1e0 / (t.v_@ + t.tau2_' ~ i ~ '), 0e0)') }}, 0e0)
        end as left_out_{{ i }}
        {%- endfor %}
    from {{ name }}_tau_squared as t
),

{{ name }}_sums as (
    select
        t.*,
        {{ sum_over(all, 't.s_@') }} as sum_s,
        {{ sum_over(all, 't.s_@ * t.d_@') }} as sum_sd,
        {{ sum_over(all, 't.s_@ * t.d_@ * t.d_@') }} as sum_sdd
    from {{ name }}_weights as t
),

{{ name }}_pooled_effect as (
    select
        t.*,
        t.theta_f + t.sum_sd / t.sum_s as theta_re,
        sqrt(1e0 / t.sum_s) as se_re,
        greatest(0e0, t.sum_sdd - t.sum_sd * t.sum_sd / t.sum_s) as residual_q
    from {{ name }}_sums as t
),

{{ name }}_agreement as (
    select
        t.*,
        t.theta_re / t.se_re as z,
        least({{ list_of(all, 't.left_out_@') }}) as loo_min,
        greatest({{ list_of(all, 't.left_out_@') }}) as loo_max,
        ({{ sum_over(all, 'case when sign(t.theta_@) = sign(t.theta_re) then t.s_@ else 0e0 end') }}) / t.sum_s as kappa,
        ({{ sum_over(all, 'case when sign(t.theta_@) = sign(t.theta_re) then 1e0 else 0e0 end') }}) / t.k as direction_consistency,
        case
            when t.k = 1 or t.mean_size = 0e0 then 1e0
            else 1e0 - least(1e0, sqrt(({{ sum_over(all, 'coalesce((abs(t.theta_@) - t.mean_size) * (abs(t.theta_@) - t.mean_size), 0e0)') }}) / nullif(t.df, 0)) / nullif(t.mean_size, 0e0))
        end as magnitude_consistency
    from {{ name }}_pooled_effect as t
),

{{ pooled_statistics(name ~ '_statistics', name ~ '_agreement', group_by, ['loo_min', 'loo_max', 'kappa', 'direction_consistency', 'magnitude_consistency']) }},

{{ name }} as (
    select
        t.*,
        sqrt(t.direction_consistency * t.magnitude_consistency) as consistency_score
    from {{ name }}_statistics as t
)
{%- endmacro %}


{#- The sum of an expression over studies, whose number takes the place of @; 0 for none.

    {{ sum_over([1, 2], 't.w_@') }}  ->  t.w_1 + t.w_2 -#}
{% macro sum_over(studies, expression) -%}
{%- for i in studies -%}
{{ expression | replace('@', i) }}{{ ' + ' if not loop.last }}
{%- else -%}
0e0
{%- endfor -%}
{%- endmacro %}

{#- {{ list_of([1, 2], 't.w_@') }}  ->  t.w_1, t.w_2 -#}
{% macro list_of(studies, expression) -%}
{%- for i in studies -%}
{{ expression | replace('@', i) }}{{ ', ' if not loop.last }}
{%- endfor -%}
{%- endmacro %}
