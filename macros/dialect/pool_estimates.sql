{#- Random-effects meta-analysis of each group of study estimates, with the leave-one-out range and
    the agreement of the studies: CTEs of a `with` chain. The last is <name>, one row per group; its
    columns are those of dsl_pool, leave_one_out (loo_min, loo_max), consistency (kappa,
    direction_consistency, magnitude_consistency, consistency_score) and n_samples, the sum of n.
    Formulas and sources stand in those macros.

    name         prefix of the CTEs and name of the last
    relation     one row per study and group: group columns, study_no, theta, se, n
    group_by     list of its group columns
    study_count  the greatest study_no, which begins at 1; none if unknown, as in a compile without
                 a connection

    components                               {{ pool_estimates('pooled', 'components', ['pair_key'], 2) }}
    pair_key | study_no | theta | se  | n    pair_key | k | n_samples | theta_re | … | loo_min | loo_max | kappa | …
    7        | 1        | 0.5   | 0.2 | 60   7        | 2 | 100       | 0.2625   | … | 0.1     | 0.5     | 1     | …
    7        | 2        | 0.1   | 0.1 | 40

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
{{ estimates_in_columns(name ~ '_studies', relation, group_by, study_count) }},

{{ pool_columns(name, name ~ '_studies', group_by, study_count) }}
{%- endif -%}
{%- endmacro %}


{#- The contrasts of each pair, pooled over studies: CTEs, the last of which is <name> with the columns of
    pool_estimates.

    contrasts         int_study_pair_contrast: one row per study and contrast
    cohorts           int_pair_cohort
    slices            int_slice: slice_no, disease_key
    contrast_cohorts  stg_contrast_cohort: disease_key, contrast_key, illness_key, side

    T-SQL pools `contrasts`. DuckDB takes the sides from `cohorts`, which has one column per study: to form
    them row by row, as int_study_pair_contrast does, took half of the time of all contrasts. -#}
{% macro pool_contrasts(name, study_count, contrasts, cohorts, slices, contrast_cohorts) %}{{ return(adapter.dispatch('pool_contrasts', 'expression_warehouse')(name, study_count, contrasts, cohorts, slices, contrast_cohorts)) }}{% endmacro %}

{% macro default__pool_contrasts(name, study_count, contrasts, cohorts, slices, contrast_cohorts) -%}
{{ name }}_estimates as (
    select
        e.slice_no,
        e.contrast_key,
        e.pair_key,
        e.study_no,
        e.theta,
        e.se,
        e.n
    from {{ contrasts }} as e
    where e.pair_key {{ batch() }}
),

{{ pool_estimates(name, name ~ '_estimates', ['slice_no', 'contrast_key', 'pair_key'], study_count) }}
{%- endmacro %}

{% macro duckdb__pool_contrasts(name, study_count, contrasts, cohorts, slices, contrast_cohorts) -%}
{%- if study_count is none or study_count > 32 -%}
{{ default__pool_contrasts(name, study_count, contrasts, cohorts, slices, contrast_cohorts) }}
{%- else -%}
{{ name }}_contrasts as (
    select
        i.slice_no,
        c.contrast_key,
        c.illness_key,
        case when c.side = 'CASE' then 1e0 else 0e0 end as is_case,
        case when c.side = 'REFERENCE' then 1e0 else 0e0 end as is_reference
    from {{ slices }} as i
    inner join {{ contrast_cohorts }} as c on i.disease_key = c.disease_key
),

-- Sums over the cohorts of each side, as in stratified_side.
{{ name }}_sides as (
    select
        e.slice_no,
        c.contrast_key,
        e.pair_key
        {%- for i in range(1, study_count + 1) %},
        nullif(sum(c.is_case * e.w_{{ i }}), 0e0) as case_w_{{ i }},
        nullif(sum(c.is_reference * e.w_{{ i }}), 0e0) as reference_w_{{ i }},
        sum(c.is_case * e.w_{{ i }} * e.theta_{{ i }}) as case_wz_{{ i }},
        sum(c.is_reference * e.w_{{ i }} * e.theta_{{ i }}) as reference_wz_{{ i }},
        sum(e.n_{{ i }}) as n_{{ i }}
        {%- endfor %}
    from {{ cohorts }} as e
    inner join {{ name }}_contrasts as c on e.slice_no = c.slice_no and e.illness_key = c.illness_key
    where e.pair_key {{ batch() }}
    group by e.slice_no, c.contrast_key, e.pair_key
),

{{ name }}_studies as (
    select
        s.slice_no,
        s.contrast_key,
        s.pair_key,
        cast({{ sum_over(range(1, study_count + 1), 'case when s.case_w_@ * s.reference_w_@ > 0e0 then s.n_@ else 0 end') }} as integer) as n_samples
        {%- for i in range(1, study_count + 1) %},
        s.case_wz_{{ i }} / s.case_w_{{ i }} - s.reference_wz_{{ i }} / s.reference_w_{{ i }} as theta_{{ i }},
        1e0 / (1e0 / s.case_w_{{ i }} + 1e0 / s.reference_w_{{ i }}) as w_{{ i }}
        {%- endfor %}
    from {{ name }}_sides as s
),

{{ pool_columns(name, name ~ '_studies', ['slice_no', 'contrast_key', 'pair_key'], study_count) }}
{%- endif -%}
{%- endmacro %}


{#- As pool_estimates, with fewer columns: those of the group, k, n_samples, theta_re, se_re, q, i2, tau2,
    z and p. Its SQL is a sixth as long, and DuckDB plans it for each batch. By columns, it passes on the
    estimates of each study: theta_<i>, w_<i> and n_<i>, 0 if the study has none. -#}
{% macro pool_effects(name, relation, group_by, study_count) %}{{ return(adapter.dispatch('pool_effects', 'expression_warehouse')(name, relation, group_by, study_count)) }}{% endmacro %}

{% macro default__pool_effects(name, relation, group_by, study_count) -%}
{{ dsl_pool(name ~ '_effects', relation, group_by, 'theta', 'se') }},

{{ name }}_samples as (
    {{ sum_of_samples(relation, group_by) }}
),

{{ name }} as (
    select
        {{ group_columns(group_by, 'p') }},
        p.k,
        n.n_samples,
        p.theta_re,
        p.se_re,
        p.q,
        p.i2,
        p.tau2,
        p.z,
        p.p
    from {{ name }}_effects as p
    inner join {{ name }}_samples as n on {{ same_group(group_by, 'p', 'n') }}
)
{%- endmacro %}

{% macro duckdb__pool_effects(name, relation, group_by, study_count) -%}
{%- if study_count is none or study_count > 32 -%}
{{ default__pool_effects(name, relation, group_by, study_count) }}
{%- else -%}
{%- set counts = [] -%}
{%- for i in range(1, study_count + 1) %}{% do counts.append('n_' ~ i) %}{% endfor -%}
{{ estimates_in_columns(name ~ '_studies', relation, group_by, study_count) }},

{{ effects_by_columns(name ~ '_effects', name ~ '_studies', group_by, study_count, counts) }},

{{ name }} as (
    select
        {{ group_columns(group_by, 't') }},
        t.k,
        t.n_samples,
        t.theta_re,
        t.se_re,
        t.q,
        {{ i_squared('t.q', 't.df') }} as i2,
        t.tau2,
        t.z,
        {{ two_sided_normal_p('t.z') }} as p
        {%- for i in range(1, study_count + 1) %},
        t.theta_{{ i }},
        t.w_{{ i }},
        coalesce(t.n_{{ i }}, 0) as n_{{ i }}
        {%- endfor %}
    from {{ name }}_effects as t
)
{%- endif -%}
{%- endmacro %}


{% macro sum_of_samples(relation, group_by) -%}
    select
        {{ group_columns(group_by, 'r') }},
        cast(sum(r.n) as integer) as n_samples
    from {{ relation }} as r
    group by {{ group_columns(group_by, 'r') }}
{%- endmacro %}


{#- pool_estimates with one row per study. -#}
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

{{ name }}_samples as (
    {{ sum_of_samples(relation, group_by) }}
),

{{ name }} as (
    select
        p.*,
        n.n_samples,
        l.loo_min,
        l.loo_max,
        a.kappa,
        a.direction_consistency,
        a.magnitude_consistency,
        a.consistency_score
    from {{ name }}_effects as p
    inner join {{ name }}_samples as n on {{ same_group(group_by, 'p', 'n') }}
    left join {{ name }}_loo as l on {{ same_group(group_by, 'p', 'l') }}
    left join {{ name }}_agreement as a on {{ same_group(group_by, 'p', 'a') }}
)
{%- endmacro %}


{#- pool_estimates from estimates_in_columns: one row per group, one column per study. -#}
{% macro pool_columns(name, studies, group_by, study_count) -%}
{{ effects_by_columns(name ~ '_effects', studies, group_by, study_count) }},

{{ leave_one_out_by_columns(name ~ '_loo', name ~ '_effects', study_count) }},

{{ consistency_by_columns(name ~ '_agreement', name ~ '_loo', study_count) }},

{{ pooled_statistics(name ~ '_statistics', name ~ '_agreement', group_by, ['n_samples', 'loo_min', 'loo_max', 'kappa', 'direction_consistency', 'magnitude_consistency']) }},

{{ name }} as (
    select
        t.*,
        sqrt(t.direction_consistency * t.magnitude_consistency) as consistency_score
    from {{ name }}_statistics as t
)
{%- endmacro %}


{#- Estimates with one column per study: the group columns, n_samples, and of each study theta_<i>, its weight
    w_<i> = 1 / SE^2 and n_<i>; null if it has no estimate. A CTE. -#}
{% macro estimates_in_columns(name, relation, group_by, study_count) -%}
{{ name }} as (
    select
        {{ group_columns(group_by, 'r') }},
        cast(sum(r.n) as integer) as n_samples
        {%- for i in range(1, study_count + 1) %},
        max(case when r.study_no = {{ i }} and r.se > 0e0 then r.theta end) as theta_{{ i }},
        max(case when r.study_no = {{ i }} and r.se > 0e0 and r.theta is not null then 1e0 / (r.se * r.se) end) as w_{{ i }},
        max(case when r.study_no = {{ i }} then r.n end) as n_{{ i }}
        {%- endfor %}
    from {{ relation }} as r
    group by {{ group_columns(group_by, 'r') }}
)
{%- endmacro %}


{#- The columns of pooled_effect, n_samples, and of each study what the macros below need, from
    estimates_in_columns.

    A study without an estimate has weight and deviation 0 and an infinite variance, so that the
    expressions of each study need neither case nor coalesce, which make DuckDB slow: inside them it computes
    only the rows of a branch, and computes repeated parts each time. With both, and sums over the k (k - 1)
    pairs of studies, 180,000 groups of 10 studies took 1.6 CPU s; now 1.1. -#}
{% macro effects_by_columns(name, studies, group_by, study_count, beside=[]) -%}
{%- set all = range(1, study_count + 1) | list -%}
{{ name }}_places as (
    select
        {{ group_columns(group_by + ['n_samples'] + beside, 't') }},
        {{ sum_over(all, 'case when t.w_@ is null then 0 else 1 end') }} as k,
        least({{ list_of(all, 't.theta_@') }}) as least_theta,
        greatest({{ list_of(all, 't.theta_@') }}) as greatest_theta
        {%- for i in all %},
        coalesce(t.theta_{{ i }}, 0e0) as theta_{{ i }},
        coalesce(t.w_{{ i }}, 0e0) as w_{{ i }},
        coalesce(1e0 / t.w_{{ i }}, cast('inf' as double)) as v_{{ i }}
        {%- endfor %}
    from {{ studies }} as t
),

{{ name }}_fixed_effect as (
    select
        t.*,
        t.k - 1 as df,
        {{ sum_over(all, 't.w_@') }} as sum_w,
        greatest(t.least_theta, least(t.greatest_theta, ({{ sum_over(all, 't.w_@ * t.theta_@') }}) / ({{ sum_over(all, 't.w_@') }}))) as theta_f
        {%- for i in all %},
        {{ sum_over(range(1, i), 't.w_@') }} as before_{{ i }}
        {%- endfor %}
    from {{ name }}_places as t
    where t.k > 0
),

{{ name }}_deviations as (
    select
        t.*
        {%- for i in all %},
        case when t.w_{{ i }} > 0e0 then t.theta_{{ i }} - t.theta_f else 0e0 end as d_{{ i }}
        {%- endfor %}
    from {{ name }}_fixed_effect as t
),

-- w_a w_b summed over a < b, twice, is C times the sum of the weights.
{{ name }}_cochran_q as (
    select
        t.*,
        greatest(0e0, ({{ sum_over(all, 't.w_@ * t.d_@ * t.d_@') }}) - ({{ sum_over(all, 't.w_@ * t.d_@') }}) * ({{ sum_over(all, 't.w_@ * t.d_@') }}) / t.sum_w) as q,
        2e0 * ({{ sum_over(all, 't.w_@ * t.before_@') }}) / t.sum_w as c
    from {{ name }}_deviations as t
),

{{ name }}_tau_squared as (
    select
        t.*,
        case when t.q > t.df and t.c > 0e0 then (t.q - t.df) / t.c else 0e0 end as tau2
    from {{ name }}_cochran_q as t
),

{{ name }}_weights as (
    select
        t.*
        {%- for i in all %},
        1e0 / (t.v_{{ i }} + t.tau2) as s_{{ i }}
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

{{ name }}_estimates as (
    select
        t.*,
        t.theta_f + t.sum_sd / t.sum_s as theta_re,
        sqrt(1e0 / t.sum_s) as se_re,
        greatest(0e0, t.sum_sdd - t.sum_sd * t.sum_sd / t.sum_s) as residual_q
    from {{ name }}_sums as t
),

{{ name }} as (
    select
        t.*,
        t.theta_re / t.se_re as z
    from {{ name }}_estimates as t
)
{%- endmacro %}


{#- Columns loo_min and loo_max beside those of effects_by_columns. The method is that of leave_one_out: no
    study is ever subtracted from a sum over all, and sums are taken about the most precise study, `top`;
    without it, about the mean. -#}
{% macro leave_one_out_by_columns(name, effects, study_count) -%}
{%- set all = range(1, study_count + 1) | list -%}
{{ name }}_top_weight as (
    select
        t.*,
        greatest({{ list_of(all, 't.w_@') }}) as top_w
    from {{ effects }} as t
),

{{ name }}_top as (
    select
        t.*,
        case t.top_w
            {%- for i in all %}
            when t.w_{{ i }} then {{ i }}
            {%- endfor %}
        end as top_no,
        case t.top_w
            {%- for i in all %}
            when t.w_{{ i }} then t.theta_{{ i }}
            {%- endfor %}
        end as top_theta
    from {{ name }}_top_weight as t
),

-- e is the deviation from top, u the weight without top.
{{ name }}_deviations as (
    select
        t.*
        {%- for i in all %},
        case when t.w_{{ i }} > 0e0 then t.theta_{{ i }} - t.top_theta else 0e0 end as e_{{ i }},
        case when t.top_no = {{ i }} then 0e0 else t.w_{{ i }} end as u_{{ i }},
        {{ sum_over(range(study_count, i, -1), 't.w_@') }} as after_{{ i }}
        {%- endfor %}
    from {{ name }}_top as t
),

{{ name }}_rest as (
    select
        t.*,
        ({{ sum_over(all, 't.u_@ * t.d_@') }}) / nullif({{ sum_over(all, 't.u_@') }}, 0e0) as rest_mean
        {%- for i in all %},
        nullif(t.before_{{ i }} + t.after_{{ i }}, 0e0) as rest_w_{{ i }},
        ({{ sum_over(range(1, i), 't.w_@ * t.e_@') }}) + ({{ sum_over(range(study_count, i, -1), 't.w_@ * t.e_@') }}) as we_{{ i }},
        ({{ sum_over(range(1, i), 't.w_@ * t.e_@ * t.e_@') }}) + ({{ sum_over(range(study_count, i, -1), 't.w_@ * t.e_@ * t.e_@') }}) as wee_{{ i }}
        {%- endfor %}
    from {{ name }}_deviations as t
),

{{ name }}_cochran_q as (
    select
        t.*,
        {{ sum_over(all, 't.u_@ * ((t.d_@ - t.rest_mean) * (t.d_@ - t.rest_mean))') }} as rest_q
        {%- for i in all %},
        2e0 * (({{ sum_over(range(1, i), 't.w_@ * t.before_@') }}) + ({{ sum_over(range(study_count, i, -1), 't.w_@ * t.after_@') }}) + t.before_{{ i }} * t.after_{{ i }}) / t.rest_w_{{ i }} as c_{{ i }},
        greatest(0e0, t.wee_{{ i }} - t.we_{{ i }} * t.we_{{ i }} / t.rest_w_{{ i }}) as q_{{ i }}
        {%- endfor %}
    from {{ name }}_rest as t
),

-- greatest passes over the null of a group that has no two other studies.
{{ name }}_tau_squared as (
    select
        t.*
        {%- for i in all %},
        greatest(0e0, (case when t.top_no = {{ i }} then t.rest_q else t.q_{{ i }} end - (t.df - 1e0)) / nullif(t.c_{{ i }}, 0e0)) as tau2_{{ i }}
        {%- endfor %}
    from {{ name }}_cochran_q as t
),

{{ name }}_sums as (
    select
        t.*
        {%- for i in all %},
        {{ sum_over(all | reject('equalto', i), '1e0 / (t.v_@ + t.tau2_' ~ i ~ ')') }} as rest_s_{{ i }},
        {{ sum_over(all | reject('equalto', i), 't.d_@ / (t.v_@ + t.tau2_' ~ i ~ ')') }} as rest_sd_{{ i }}
        {%- endfor %}
    from {{ name }}_tau_squared as t
),

{{ name }}_estimates as (
    select
        t.*
        {%- for i in all %},
        case when t.w_{{ i }} > 0e0 then t.rest_sd_{{ i }} / nullif(t.rest_s_{{ i }}, 0e0) end as rest_d_{{ i }}
        {%- endfor %}
    from {{ name }}_sums as t
),

{{ name }} as (
    select
        t.*,
        t.theta_f + least({{ list_of(all, 't.rest_d_@') }}) as loo_min,
        t.theta_f + greatest({{ list_of(all, 't.rest_d_@') }}) as loo_max
    from {{ name }}_estimates as t
)
{%- endmacro %}


{#- Columns kappa, direction_consistency and magnitude_consistency of `consistency` beside those of
    effects_by_columns. -#}
{% macro consistency_by_columns(name, effects, study_count) -%}
{%- set all = range(1, study_count + 1) | list -%}
{{ name }}_signs as (
    select
        t.*,
        ({{ sum_over(all, 'abs(t.theta_@)') }}) / t.k as mean_size
        {%- for i in all %},
        case when t.w_{{ i }} > 0e0 and sign(t.theta_{{ i }}) = sign(t.theta_re) then 1e0 else 0e0 end as agrees_{{ i }}
        {%- endfor %}
    from {{ effects }} as t
),

{{ name }} as (
    select
        t.*,
        ({{ sum_over(all, 't.agrees_@ * t.s_@') }}) / t.sum_s as kappa,
        ({{ sum_over(all, 't.agrees_@') }}) / t.k as direction_consistency,
        case
            when t.k = 1 or t.mean_size = 0e0 then 1e0
            else 1e0 - least(1e0, sqrt(({{ sum_over(all, 'case when t.w_@ > 0e0 then (abs(t.theta_@) - t.mean_size) * (abs(t.theta_@) - t.mean_size) else 0e0 end') }}) / nullif(t.df, 0)) / nullif(t.mean_size, 0e0))
        end as magnitude_consistency
    from {{ name }}_signs as t
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
