{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='append_new_columns',
        full_refresh=false,
        full_refresh_build='prebuilt',
        indexes=table_indexes([
            {'columns': [{'column': 'new_rank_score', 'desc': true}], 'included_columns': ['combined_p_value', 'power_score']},
            {'columns': ['p_ss', 'p_soth', 'rank_score']},
        ]),
        pre_hook=["{{ take_up_first_build(this.schema, this.identifier) }}", "{{ remove_replaced_slices() }}"],
        post_hook=["{{ put_rank_scores() }}", "{{ put_ranking() }}", "{{ empty_intermediate_tables() }}"]
    )
}}

{%- set cohorts = ['control', 'no_sepsis', 'sepsis', 'septic_shock'] -%}
{%- set contrasts = ['dz_ss', 'dz_soth'] -%}
{%- set differences = [('septic_shock', 'sepsis'), ('septic_shock', 'control'), ('sepsis', 'control')] -%}
{%- set pair = ['disease_key', 'technology', 'pair_key'] -%}
{%- set metrics = pair_metric_names() %}
{#- Values for counts that a file does not give: counts are never null in this table. -#}
{%- set counts = {
    'total_samples': 'coalesce(g.n_samples_control, 0) + coalesce(g.n_samples_no_sepsis, 0) + coalesce(g.n_samples_sepsis, 0) + coalesce(g.n_samples_septic_shock, 0)',
    'included_study_count': 'greatest(coalesce(g.n_studies_ss, 0), coalesce(g.n_studies_soth, 0))',
    'pairs_tested': '0',
} %}

with slice_pairs as (
    select
        s.disease_key,
        s.technology,
        s.batch_id,
        p.pair_key,
        c.pairs_tested
    from {{ ref('int_slice') }} as s
    inner join {{ ref('tbl_gene_pairs_materialized') }} as c
        on s.disease_key = c.disease_key and s.technology = c.technology
    inner join {{ ref('dim_gene_pair') }} as p on c.pair_natural_key = p.pair_natural_key
),

-- 1. Number of studies and samples per pair.
pair_samples as (
    select
        {{ group_columns(pair, 'e') }},
        cast(sum(case when coalesce({% for cohort in cohorts %}e.n_{{ cohort }}{{ ', ' if not loop.last }}{% endfor %}) is not null then 1 else 0 end) as integer) as included_study_count,
        cast(sum(case when e.dz_ss is not null then e.n_septic_shock + e.n_sepsis end) as integer) as dz_ss_n,
        cast(sum(case when e.dz_soth is not null then e.n_septic_shock + e.n_others end) as integer) as dz_soth_n,
        {%- for cohort in cohorts %}
        cast(sum(coalesce(e.n_{{ cohort }}, 0)) as integer) as n_samples_{{ cohort }},
        {%- endfor %}
        cast(sum({% for cohort in cohorts %}coalesce(e.n_{{ cohort }}, 0){{ ' + ' if not loop.last }}{% endfor %}) as integer) as total_samples
    from {{ ref('int_study_pair_estimate') }} as e
    group by {{ group_columns(pair, 'e') }}
),

-- 2. One row per candidate pair, with its pooled contrasts and cohorts.
assembled as (
    select
        {{ group_columns(pair, 'p') }},
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
        {{ contrast }}_pool.loo_min as {{ contrast }}_loo_min,
        {{ contrast }}_pool.loo_max as {{ contrast }}_loo_max,
        {{ contrast }}_pool.kappa as kappa_{{ short }},
        {{ contrast }}_pool.direction_consistency as {{ contrast }}_direction_consistency,
        {{ contrast }}_pool.magnitude_consistency as {{ contrast }}_magnitude_consistency,
        {{ contrast }}_pool.consistency_score as {{ contrast }}_consistency_score,
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
        coalesce({{ cohort }}_pool.k, 0) as n_studies_{{ cohort }},
        {%- endfor %}
        coalesce(n.total_samples, 0) as total_samples,
        coalesce(n.included_study_count, 0) as included_study_count
    from slice_pairs as p
    left join pair_samples as n on {{ same_group(pair, 'p', 'n') }}
    {%- for metric in contrasts + cohorts %}
    left join {{ ref('int_pair_estimate') }} as {{ metric }}_pool
        on {{ same_group(pair, 'p', metric ~ '_pool') }} and {{ metric }}_pool.metric = '{{ metric }}'
    {%- endfor %}
),

-- 3. Combine the two contrasts, and compare the cohorts with one another.
combined as (
    select
        a.*,
        {{ stouffer_of(['a.dz_ss_z', 'a.dz_soth_z'], ['sqrt(a.dz_ss_n)', 'sqrt(a.dz_soth_n)']) }} as combined_z_score,
        -- Both contrasts use the septic-shock samples, and the others include the sepsis samples: within
        -- a study, the covariance of the contrasts is SE(dz_soth)^2, which gives the correlation below.
        {{ stouffer_of_dependent('a.dz_ss_z', 'a.dz_soth_z', 'sqrt(a.dz_ss_n)', 'sqrt(a.dz_soth_n)', 'least(1e0, a.dz_soth_se / a.dz_ss_se)') }} as combined_z_dependent,
        (coalesce(a.dz_ss_mean / (a.dz_ss_se * a.dz_ss_se), 0e0) + coalesce(a.dz_soth_mean / (a.dz_soth_se * a.dz_soth_se), 0e0))
        / nullif(coalesce(1e0 / (a.dz_ss_se * a.dz_ss_se), 0e0) + coalesce(1e0 / (a.dz_soth_se * a.dz_soth_se), 0e0), 0e0)
            as combined_effect_size,
        -- The primary contrast is septic shock against sepsis, if any study has it.
        coalesce(a.dz_ss_z, a.dz_soth_z) as primary_z,
        case when a.dz_ss_z is not null then a.dz_ss_direction_consistency else a.dz_soth_direction_consistency end as direction_consistency,
        case when a.dz_ss_z is not null then a.dz_ss_magnitude_consistency else a.dz_soth_magnitude_consistency end as magnitude_consistency,
        case when a.dz_ss_z is not null then a.dz_ss_consistency_score else a.dz_soth_consistency_score end as consistency_score
        {%- for first, second in differences %},
        a.r_{{ first }} - a.r_{{ second }} as delta_r_{{ first }}_{{ second }},
        (a.z_{{ first }} - a.z_{{ second }}) / sqrt(a.se_r_{{ first }} * a.se_r_{{ first }} + a.se_r_{{ second }} * a.se_r_{{ second }}) as z_diff_{{ first }}_{{ second }}
        {%- endfor %}
    from assembled as a
),

tested as {{ materialized() }}(
    select
        c.*,
        {{ two_sided_normal_p('c.combined_z_score') }} as combined_p_value,
        {{ two_sided_normal_p('c.combined_z_dependent') }} as combined_p_dependent,
        {{ normal_cdf('(abs(c.primary_z) - 1.959963984540054e0)') }} + {{ normal_cdf('(-abs(c.primary_z) - 1.959963984540054e0)') }} as power_score
        {%- for first, second in differences %},
        {{ two_sided_normal_p('c.z_diff_' ~ first ~ '_' ~ second) }} as p_diff_{{ first }}_{{ second }}
        {%- endfor %}
    from combined as c
),

-- 4. False discovery rates over all pairs tested in the slice. The ranking works on narrow rows, one per
-- pair and test: sorting the wide rows once per test took as long as everything else in this model.
{%- set tests = {'q_ss': 'p_ss', 'q_soth': 'p_soth', 'q_combined': 'combined_p_value', 'q_combined_dependent': 'combined_p_dependent', 'q_ss_hk': 'p_ss_hk', 'q_soth_hk': 'p_soth_hk'} %}
p_values as (
    select
        {{ group_columns(pair, 't') }},
        t.pairs_tested,
        n.q_name,
        case n.q_name
            {%- for q, p in tests.items() %}
            when '{{ q }}' then t.{{ p }}
            {%- endfor %}
        end as p
    from tested as t
    cross join (
        {%- for q in tests %}
        {{ 'union all ' if not loop.first }}select '{{ q }}' as q_name
        {%- endfor %}
    ) as n
),

adjusted as (
    {{ benjamini_hochberg('p_values', ['disease_key', 'technology', 'q_name'], 'p', 'pairs_tested') }}
),

false_discovery_rates as (
    select
        {{ group_columns(pair, 'a') }}
        {%- for q in tests %},
        max(case when a.q_name = '{{ q }}' then a.q end) as {{ q }}
        {%- endfor %}
    from adjusted as a
    group by {{ group_columns(pair, 'a') }}
),

-- A screen ranked all pairs, not only those kept here, so its rates take precedence.
screened as (
    select
        s.disease_key,
        s.technology,
        p.pair_key
        {%- for q in tests %},
        s.{{ q }}
        {%- endfor %}
    from {{ ref('stg_screened_pairs') }} as s
    inner join {{ ref('dim_gene_pair') }} as p on s.pair_natural_key = p.pair_natural_key
),

with_q as (
    select
        t.*
        {%- for q in tests %},
        case when s.pair_key is not null then s.{{ q }} else f.{{ q }} end as {{ q }}
        {%- endfor %}
    from tested as t
    inner join false_discovery_rates as f on {{ same_group(pair, 't', 'f') }}
    left join screened as s on {{ same_group(pair, 't', 's') }}
),

-- 5. Rows of files: for pairs that are not candidates, and for all pairs with csv_override = 1.
given as (
    select
        s.disease_key,
        s.technology,
        p.pair_key,
        s.batch_id,
        c.csv_override,
        {%- for metric in metrics %}
        c.{{ metric }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ ref('int_slice') }} as s
    inner join {{ ref('stg_pair_metrics') }} as c on s.disease_key = c.disease_key and s.technology = c.technology
    inner join {{ ref('dim_gene_pair') }} as p on c.pair_natural_key = p.pair_natural_key
),

merged as (
    select
        'AGGREGATOR' as metrics_source,
        {{ group_columns(pair + ['batch_id'], 'a') }}
        {%- for metric in metrics %},
        {% if metric.startswith('neglog_') -%}
        cast(null as float(53)) as {{ metric }}
        {%- else -%}
        a.{{ metric }}
        {%- endif %}
        {%- endfor %}
    from with_q as a
    where not exists (
        select 1
        from given as g
        where {{ same_group(pair, 'g', 'a') }} and g.csv_override = 1
    )
    union all
    select
        'CSV' as metrics_source,
        {{ group_columns(pair + ['batch_id'], 'g') }}
        {%- for metric in metrics %},
        {% if metric in counts or metric.startswith('n_') -%}
        coalesce(g.{{ metric }}, {{ counts.get(metric, '0') }}) as {{ metric }}
        {%- elif metric.startswith('abs_') -%}
        coalesce(g.{{ metric }}, abs(g.{{ metric[4:] }}_mean)) as {{ metric }}
        {%- else -%}
        g.{{ metric }}
        {%- endif %}
        {%- endfor %}
    from given as g
    where
        g.csv_override = 1
        or not exists (
            select 1
            from slice_pairs as p
            where {{ same_group(pair, 'p', 'g') }}
        )
)

select
    m.pair_key,
    cast('META_STUDIES' as {{ type_code(20) }}) as metrics_scope,
    cast(m.metrics_source as {{ type_code(10) }}) as metrics_source,
    m.disease_key,
    m.technology,
    {%- for metric in metrics %}
    {%- if metric.startswith('neglog_') %}
    {%- set q = metric | replace('neglog_', '') %}
    case when m.{{ q }} is not null then abs(log10(greatest(m.{{ q }}, 1e-300))) else m.{{ metric }} end as {{ metric }},
    {%- else %}
    m.{{ metric }},
    {%- endif %}
    {%- endfor %}
    -- The hooks set the scores that depend on other pairs.
    {{ metrics_score('m.power_score', 'm.consistency_score', i2_star('m')) }} as metrics_score,
    cast(null as float(53)) as rank_score,
    cast(null as float(53)) as unsupervised_score,
    cast(null as float(53)) as new_rank_score,
    cast(null as {{ type_code(36) }}) as rank_run_id,
    cast('{{ invocation_id }}' as {{ type_code(36) }}) as feature_run_id,
    m.batch_id,
    {{ utc_now() }} as etl_created_date
from merged as m
