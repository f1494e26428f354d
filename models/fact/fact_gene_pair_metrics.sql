{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='append_new_columns',
        pre_hook="{{ remove_outdated_slices() }}"
    )
}}

{%- set cohorts = ['control', 'no_sepsis', 'sepsis', 'septic_shock'] -%}
{%- set contrasts = {'dz_ss': 'sepsis', 'dz_soth': 'others'} -%}
{%- set pair = ['disease_key', 'technology', 'gene_a_key', 'gene_b_key'] -%}
{%- set metric = pair + ['metric'] %}

with slices as (
    select
        s.disease_key,
        s.technology,
        s.batch_id
    from {{ ref('stg_slice') }} as s
    where {{ is_new_slice('s') }}
),

slice_pairs as (
    select
        c.disease_key,
        c.technology,
        c.gene_a_key,
        c.gene_b_key,
        c.pair_natural_key,
        c.pairs_tested,
        s.batch_id
    from {{ ref('tbl_gene_pairs_materialized') }} as c
    inner join slices as s on c.disease_key = s.disease_key and c.technology = s.technology
),

slice_genes as (
    select distinct
        disease_key,
        technology,
        gene_a_key as gene_key
    from slice_pairs
    union
    select distinct
        disease_key,
        technology,
        gene_b_key as gene_key
    from slice_pairs
),

-- 1. The values of each cohort. Others are all samples of the study but those with septic shock.
cohort_values as (
    select
        e.study_key,
        lower(e.illness_label) as cohort,
        e.gene_key,
        e.sample_key,
        e.expression_value as value
    from {{ ref('vw_expression_export') }} as e
    inner join {{ ref('stg_slice_study') }} as m on e.study_key = m.study_key
    inner join slice_genes as g
        on m.disease_key = g.disease_key and m.technology = g.technology and e.gene_key = g.gene_key
    where e.illness_label <> 'UNKNOWN'
    union all
    select
        e.study_key,
        'others' as cohort,
        e.gene_key,
        e.sample_key,
        e.expression_value as value
    from {{ ref('vw_expression_export') }} as e
    inner join {{ ref('stg_slice_study') }} as m on e.study_key = m.study_key
    inner join slice_genes as g
        on m.disease_key = g.disease_key and m.technology = g.technology and e.gene_key = g.gene_key
    where e.illness_label in ('CONTROL', 'NO_SEPSIS', 'SEPSIS')
),

study_pairs as (
    select
        m.study_key,
        p.gene_a_key,
        p.gene_b_key
    from slice_pairs as p
    inner join {{ ref('stg_slice_study') }} as m on p.disease_key = m.disease_key and p.technology = m.technology
),

-- 2. Spearman's r of each pair, study and cohort.
{{ pair_correlations('rho', 'study_pairs', 'cohort_values', cohorts + ['others']) }},

-- 3. Fisher's z and its standard error, where the cohort is large enough.
fisher as (
    select
        m.disease_key,
        m.technology,
        r.study_key,
        r.gene_a_key,
        r.gene_b_key
        {%- for cohort in cohorts + ['others'] %},
        case when r.n_{{ cohort }} >= {{ [var('min_cohort_samples') | int, 4] | max }} then {{ fisher_z('r.r_' ~ cohort) }} end as z_{{ cohort }},
        case when r.n_{{ cohort }} >= {{ [var('min_cohort_samples') | int, 4] | max }} and r.r_{{ cohort }} is not null then {{ spearman_se(clip_r('r.r_' ~ cohort), 'r.n_' ~ cohort) }} end as se_{{ cohort }},
        case when r.n_{{ cohort }} >= {{ [var('min_cohort_samples') | int, 4] | max }} and r.r_{{ cohort }} is not null then r.n_{{ cohort }} end as n_{{ cohort }}
        {%- endfor %}
    from rho as r
    inner join {{ ref('stg_slice_study') }} as m on r.study_key = m.study_key
),

-- 4. The study's contrasts: how much stronger the pair is co-expressed in septic shock.
components as {{ materialized() }}(
    select
        f.*
        {%- for contrast, cohort in contrasts.items() %},
        f.z_septic_shock - f.z_{{ cohort }} as {{ contrast }},
        sqrt(f.se_septic_shock * f.se_septic_shock + f.se_{{ cohort }} * f.se_{{ cohort }}) as {{ contrast }}_se,
        case when f.z_{{ cohort }} is not null then f.n_septic_shock + f.n_{{ cohort }} end as {{ contrast }}_n
        {%- endfor %}
    from fisher as f
),

-- 5. Random-effects pooling over the slice's studies: contrasts and cohorts in one relation, so
-- that the long expressions of the p-values stand once in the statement.
contrast_estimates as (
    {%- for contrast in contrasts %}
    {{- '\n    union all' if not loop.first }}
    select
        {{ group_columns(pair, 'c') }},
        '{{ contrast }}' as metric,
        c.{{ contrast }} as theta,
        c.{{ contrast }}_se as se
    from components as c
    {%- endfor %}
),

estimates as (
    select
        {{ group_columns(metric, 'e') }},
        e.theta,
        e.se
    from contrast_estimates as e
    {%- for cohort in cohorts %}
    union all
    select
        {{ group_columns(pair, 'c') }},
        '{{ cohort }}' as metric,
        c.z_{{ cohort }} as theta,
        c.se_{{ cohort }} as se
    from components as c
    {%- endfor %}
),

{{ dsl_pool('pooled', 'estimates', metric, 'theta', 'se') }},

agreement as {{ materialized() }}(
    {{ consistency('contrast_estimates', metric, 'theta', 'se', 'pooled') }}
),

{{ leave_one_out('loo', 'contrast_estimates', metric, 'theta', 'se') }},

pair_samples as (
    select
        {{ group_columns(pair, 'c') }},
        cast(sum(case when coalesce({% for contrast in contrasts %}c.{{ contrast }}, {% endfor %}{% for cohort in cohorts %}c.z_{{ cohort }}{{ ', ' if not loop.last }}{% endfor %}) is not null then 1 else 0 end) as integer) as included_study_count,
        {%- for contrast in contrasts %}
        cast(sum(c.{{ contrast }}_n) as integer) as {{ contrast }}_n,
        {%- endfor %}
        {%- for cohort in cohorts %}
        cast(sum(coalesce(c.n_{{ cohort }}, 0)) as integer) as n_samples_{{ cohort }},
        cast(sum(case when c.n_{{ cohort }} is not null then 1 else 0 end) as integer) as n_studies_{{ cohort }},
        {%- endfor %}
        cast(sum({% for cohort in cohorts %}coalesce(c.n_{{ cohort }}, 0){{ ' + ' if not loop.last }}{% endfor %}) as integer) as total_samples
    from components as c
    group by {{ group_columns(pair, 'c') }}
),

-- 6. One row a candidate pair: the pooled contrasts, cohorts, and what combines them.
assembled as (
    select
        {{ group_columns(pair, 'p') }},
        p.pair_natural_key,
        p.pairs_tested,
        p.batch_id,
        {%- for contrast in contrasts %}
        {%- set short = contrast | replace('dz_', '') %}
        {{ contrast }}_pool.theta_re as {{ contrast }}_mean,
        {{ contrast }}_pool.se_re as {{ contrast }}_se,
        {{ contrast }}_pool.ci_low as {{ contrast }}_ci_low,
        {{ contrast }}_pool.ci_high as {{ contrast }}_ci_high,
        {{ contrast }}_pool.q as {{ contrast }}_q,
        {{ contrast }}_pool.q_p as {{ contrast }}_q_p,
        {{ contrast }}_pool.i2 as {{ contrast }}_i2,
        {{ contrast }}_pool.tau2 as {{ contrast }}_tau2,
        {{ contrast }}_pool.z as {{ contrast }}_z,
        {{ contrast }}_pool.p as p_{{ short }},
        {{ contrast }}_pool.hk_se as {{ contrast }}_hk_se,
        {{ contrast }}_pool.hk_adhoc_se as {{ contrast }}_hk_adhoc_se,
        {{ contrast }}_pool.hk_ci_low as {{ contrast }}_hk_ci_low,
        {{ contrast }}_pool.hk_ci_high as {{ contrast }}_hk_ci_high,
        {{ contrast }}_pool.hk_p as p_{{ short }}_hk,
        {{ contrast }}_pool.pi_low as {{ contrast }}_pi_low,
        {{ contrast }}_pool.pi_high as {{ contrast }}_pi_high,
        {{ contrast }}_loo.loo_min as {{ contrast }}_loo_min,
        {{ contrast }}_loo.loo_max as {{ contrast }}_loo_max,
        {{ contrast }}_agreement.kappa as kappa_{{ short }},
        {{ contrast }}_agreement.direction_consistency as {{ contrast }}_direction_consistency,
        {{ contrast }}_agreement.magnitude_consistency as {{ contrast }}_magnitude_consistency,
        {{ contrast }}_agreement.consistency_score as {{ contrast }}_consistency_score,
        abs({{ contrast }}_pool.theta_re) as abs_{{ contrast }},
        coalesce({{ contrast }}_pool.k, 0) as n_studies_{{ short }},
        n.{{ contrast }}_n,
        {%- endfor %}
        {%- for cohort in cohorts %}
        {{ tanh_of(cohort ~ '_pool.theta_re') }} as r_{{ cohort }},
        {{ cohort }}_pool.theta_re as z_{{ cohort }},
        {{ cohort }}_pool.se_re as se_r_{{ cohort }},
        {{ cohort }}_pool.i2 as i2_{{ cohort }},
        {{ cohort }}_pool.z as z_stat_{{ cohort }},
        {{ cohort }}_pool.p as p_value_{{ cohort }},
        coalesce(n.n_samples_{{ cohort }}, 0) as n_samples_{{ cohort }},
        coalesce(n.n_studies_{{ cohort }}, 0) as n_studies_{{ cohort }},
        {%- endfor %}
        coalesce(n.total_samples, 0) as total_samples,
        coalesce(n.included_study_count, 0) as included_study_count
    from slice_pairs as p
    left join pair_samples as n on {{ same_group(pair, 'p', 'n') }}
    {%- for contrast in contrasts %}
    {%- for relation, suffix in [('pooled', 'pool'), ('agreement', 'agreement'), ('loo', 'loo')] %}
    left join {{ relation }} as {{ contrast }}_{{ suffix }}
        on {{ same_group(pair, 'p', contrast ~ '_' ~ suffix) }} and {{ contrast }}_{{ suffix }}.metric = '{{ contrast }}'
    {%- endfor %}
    {%- endfor %}
    {%- for cohort in cohorts %}
    left join pooled as {{ cohort }}_pool
        on {{ same_group(pair, 'p', cohort ~ '_pool') }} and {{ cohort }}_pool.metric = '{{ cohort }}'
    {%- endfor %}
),

combined as (
    select
        a.*,
        {{ stouffer_of(['a.dz_ss_z', 'a.dz_soth_z'], ['sqrt(a.dz_ss_n)', 'sqrt(a.dz_soth_n)']) }} as combined_z_score,
        (coalesce(a.dz_ss_mean / (a.dz_ss_se * a.dz_ss_se), 0e0) + coalesce(a.dz_soth_mean / (a.dz_soth_se * a.dz_soth_se), 0e0))
        / nullif(coalesce(1e0 / (a.dz_ss_se * a.dz_ss_se), 0e0) + coalesce(1e0 / (a.dz_soth_se * a.dz_soth_se), 0e0), 0e0)
            as combined_effect_size,
        -- The primary contrast is septic shock against sepsis, where a study has both.
        coalesce(a.dz_ss_z, a.dz_soth_z) as primary_z,
        case when a.dz_ss_z is not null then a.dz_ss_direction_consistency else a.dz_soth_direction_consistency end as direction_consistency,
        case when a.dz_ss_z is not null then a.dz_ss_magnitude_consistency else a.dz_soth_magnitude_consistency end as magnitude_consistency,
        case when a.dz_ss_z is not null then a.dz_ss_consistency_score else a.dz_soth_consistency_score end as consistency_score
        {%- for first, second in [('septic_shock', 'sepsis'), ('septic_shock', 'control'), ('sepsis', 'control')] %},
        a.r_{{ first }} - a.r_{{ second }} as delta_r_{{ first }}_{{ second }},
        (a.z_{{ first }} - a.z_{{ second }}) / sqrt(a.se_r_{{ first }} * a.se_r_{{ first }} + a.se_r_{{ second }} * a.se_r_{{ second }}) as z_diff_{{ first }}_{{ second }}
        {%- endfor %}
    from assembled as a
),

tested as (
    select
        c.*,
        {{ two_sided_normal_p('c.combined_z_score') }} as combined_p_value,
        {{ normal_cdf('(abs(c.primary_z) - 1.959963984540054e0)') }} + {{ normal_cdf('(-abs(c.primary_z) - 1.959963984540054e0)') }} as power_score
        {%- for difference in ['septic_shock_sepsis', 'septic_shock_control', 'sepsis_control'] %},
        {{ two_sided_normal_p('c.z_diff_' ~ difference) }} as p_diff_{{ difference }}
        {%- endfor %}
    from combined as c
),

-- 7. False discovery rates over all pairs tested in the slice.
{%- set tests = [('p_ss', 'q_ss'), ('p_soth', 'q_soth'), ('combined_p_value', 'q_combined'), ('p_ss_hk', 'q_ss_hk'), ('p_soth_hk', 'q_soth_hk')] %}
{%- for p, q in tests %}
with_{{ q }} as (
    {{ benjamini_hochberg('tested' if loop.first else 'with_' ~ tests[loop.index0 - 1][1], ['disease_key', 'technology'], p, 'pairs_tested', name=q) }}
){{ ',' if not loop.last }}
{% endfor %}
select
    k.pair_key,
    cast('META_STUDIES' as {{ type_code(20) }}) as metrics_scope,
    m.disease_key,
    m.technology,
    {%- for contrast in contrasts %}
    {%- set short = contrast | replace('dz_', '') %}
    {%- for column in ['mean', 'se', 'ci_low', 'ci_high', 'q', 'q_p', 'i2', 'tau2', 'z'] %}
    m.{{ contrast }}_{{ column }},
    {%- endfor %}
    m.p_{{ short }},
    m.q_{{ short }},
    case when m.q_{{ short }} is not null then -log10(greatest(m.q_{{ short }}, 1e-300)) end as neglog_q_{{ short }},
    {%- for column in ['hk_se', 'hk_adhoc_se', 'hk_ci_low', 'hk_ci_high'] %}
    m.{{ contrast }}_{{ column }},
    {%- endfor %}
    m.p_{{ short }}_hk,
    m.q_{{ short }}_hk,
    {%- for column in ['pi_low', 'pi_high', 'loo_min', 'loo_max'] %}
    m.{{ contrast }}_{{ column }},
    {%- endfor %}
    m.kappa_{{ short }},
    m.abs_{{ contrast }},
    m.n_studies_{{ short }},
    {%- endfor %}
    {%- for cohort in cohorts %}
    {%- for column in ['r', 'se_r', 'i2', 'z_stat', 'p_value', 'n_samples', 'n_studies'] %}
    m.{{ column }}_{{ cohort }},
    {%- endfor %}
    {%- endfor %}
    {%- for difference in ['septic_shock_sepsis', 'septic_shock_control', 'sepsis_control'] %}
    m.delta_r_{{ difference }},
    m.z_diff_{{ difference }},
    m.p_diff_{{ difference }},
    {%- endfor %}
    m.combined_z_score,
    m.combined_p_value,
    m.q_combined,
    m.combined_effect_size,
    m.power_score,
    m.direction_consistency,
    m.magnitude_consistency,
    m.consistency_score,
    m.total_samples,
    m.included_study_count,
    m.pairs_tested,
    cast('{{ invocation_id }}' as {{ type_code(36) }}) as feature_run_id,
    m.batch_id,
    {{ utc_now() }} as etl_created_date
from with_q_soth_hk as m
inner join {{ ref('dim_gene_pair') }} as k on m.pair_natural_key = k.pair_natural_key
