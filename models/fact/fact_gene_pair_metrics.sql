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
{%- set contrasts = ['ss', 'soth'] -%}
{%- set differences = [('septic_shock', 'sepsis'), ('septic_shock', 'control'), ('sepsis', 'control')] -%}
{%- set pair = ['disease_key', 'technology', 'organism', 'pair_key'] -%}
{%- set metrics = pair_metric_names() %}
{#- What stands in for a count that a file does not give: counts are never null in this table. -#}
{%- set counts = {
    'total_samples': 'coalesce(g.n_samples_control, 0) + coalesce(g.n_samples_no_sepsis, 0) + coalesce(g.n_samples_sepsis, 0) + coalesce(g.n_samples_septic_shock, 0)',
    'included_study_count': 'greatest(coalesce(g.n_studies_ss, 0), coalesce(g.n_studies_soth, 0))',
    'pairs_tested': '0',
} %}

with slice_pairs as (
    select
        i.slice_no,
        i.disease_key,
        i.technology,
        i.organism,
        i.batch_id,
        p.pair_key
    from {{ ref('int_slice_pair') }} as p
    inner join {{ ref('int_slice') }} as i on p.slice_no = i.slice_no
),

-- 1. Studies and samples of each pair, over all its cohorts.
pair_studies as (
    select
        e.slice_no,
        e.pair_key,
        cast(count(distinct e.study_no) as integer) as included_study_count,
        cast(sum(e.n) as integer) as total_samples
    from {{ ref('int_study_pair_cohort') }} as e
    group by e.slice_no, e.pair_key
),

-- 2. One row per candidate pair. Of its contrasts: those of the requirement, and the one that decides.
{%- set long_contrasts = ['theta_re', 'se_re', 'ci_low', 'ci_high', 'cochran_q', 'cochran_q_p', 'i2', 'tau2', 'z', 'p', 'q', 'hk_se', 'hk_adhoc_se', 'hk_ci_low', 'hk_ci_high', 'p_hk', 'q_hk', 'pi_low', 'pi_high', 'loo_min', 'loo_max', 'kappa', 'n_studies', 'n_samples'] %}
{%- set deciding = ['power_score', 'direction_consistency', 'magnitude_consistency', 'consistency_score', 'i2'] %}
contrast_values as (
    select
        {{ group_columns(pair, 'c') }}
        {%- for contrast in contrasts %}
        {%- for column in long_contrasts %},
        max(case when d.contrast = '{{ contrast }}' then c.{{ column }} end) as {{ contrast }}_{{ column }}
        {%- endfor %},
        max(case when d.contrast = '{{ contrast }}' and c.is_eligible = 1 then 1 else 0 end) as {{ contrast }}_is_eligible
        {%- endfor %}
        {%- for column in deciding %},
        max(case when c.is_deciding = 1 then c.{{ column }} end) as deciding_{{ column }}
        {%- endfor %},
        max(case when c.is_eligible = 1 then 1 else 0 end) as is_eligible
    from {{ ref('fact_gene_pair_contrast') }} as c
    inner join {{ ref('dim_contrast') }} as d on c.contrast_key = d.contrast_key
    inner join {{ ref('int_slice') }} as i on {{ same_group(slice_columns(), 'c', 'i') }}
    group by {{ group_columns(pair, 'c') }}
),

cohort_values as (
    select
        {{ group_columns(pair, 'c') }}
        {%- for cohort in cohorts %}
        {%- for column in ['r', 'z_re', 'se_re', 'i2', 'z_stat', 'p', 'n_samples', 'n_studies'] %},
        max(case when d.illness_label = '{{ cohort | upper }}' then c.{{ column }} end) as {{ cohort }}_{{ column }}
        {%- endfor %}
        {%- endfor %}
    from {{ ref('fact_gene_pair_cohort') }} as c
    inner join {{ ref('dim_illness') }} as d on c.illness_key = d.illness_key
    inner join {{ ref('int_slice') }} as i on {{ same_group(slice_columns(), 'c', 'i') }}
    group by {{ group_columns(pair, 'c') }}
),

assembled as (
    select
        {{ group_columns(pair, 'p') }},
        p.batch_id,
        {%- for short in contrasts %}
        c.{{ short }}_theta_re as dz_{{ short }}_mean,
        c.{{ short }}_se_re as dz_{{ short }}_se,
        c.{{ short }}_ci_low as dz_{{ short }}_ci_low,
        c.{{ short }}_ci_high as dz_{{ short }}_ci_high,
        c.{{ short }}_cochran_q as dz_{{ short }}_q,
        c.{{ short }}_cochran_q_p as dz_{{ short }}_q_p,
        c.{{ short }}_i2 as dz_{{ short }}_i2,
        c.{{ short }}_tau2 as dz_{{ short }}_tau2,
        c.{{ short }}_z as dz_{{ short }}_z,
        c.{{ short }}_p as p_{{ short }},
        c.{{ short }}_q as q_{{ short }},
        c.{{ short }}_hk_se as dz_{{ short }}_hk_se,
        c.{{ short }}_hk_adhoc_se as dz_{{ short }}_hk_adhoc_se,
        c.{{ short }}_hk_ci_low as dz_{{ short }}_hk_ci_low,
        c.{{ short }}_hk_ci_high as dz_{{ short }}_hk_ci_high,
        c.{{ short }}_p_hk as p_{{ short }}_hk,
        c.{{ short }}_q_hk as q_{{ short }}_hk,
        c.{{ short }}_pi_low as dz_{{ short }}_pi_low,
        c.{{ short }}_pi_high as dz_{{ short }}_pi_high,
        c.{{ short }}_loo_min as dz_{{ short }}_loo_min,
        c.{{ short }}_loo_max as dz_{{ short }}_loo_max,
        c.{{ short }}_kappa as kappa_{{ short }},
        abs(c.{{ short }}_theta_re) as abs_dz_{{ short }},
        coalesce(c.{{ short }}_n_studies, 0) as n_studies_{{ short }},
        c.{{ short }}_n_samples as dz_{{ short }}_n,
        coalesce(c.{{ short }}_is_eligible, 0) as {{ short }}_is_eligible,
        {%- endfor %}
        {%- for cohort in cohorts %}
        h.{{ cohort }}_r as r_{{ cohort }},
        h.{{ cohort }}_z_re as z_{{ cohort }},
        h.{{ cohort }}_se_re as se_r_{{ cohort }},
        h.{{ cohort }}_i2 as i2_{{ cohort }},
        h.{{ cohort }}_z_stat as z_stat_{{ cohort }},
        h.{{ cohort }}_p as p_value_{{ cohort }},
        coalesce(h.{{ cohort }}_n_samples, 0) as n_samples_{{ cohort }},
        coalesce(h.{{ cohort }}_n_studies, 0) as n_studies_{{ cohort }},
        {%- endfor %}
        c.deciding_power_score as power_score,
        c.deciding_direction_consistency as direction_consistency,
        c.deciding_magnitude_consistency as magnitude_consistency,
        c.deciding_consistency_score as consistency_score,
        c.deciding_i2,
        coalesce(n.total_samples, 0) as total_samples,
        coalesce(n.included_study_count, 0) as included_study_count,
        -- Pairs with an eligible contrast: what false discovery rates over pairs are over.
        cast(sum(coalesce(c.is_eligible, 0)) over (partition by p.slice_no) as bigint) as pairs_tested
    from slice_pairs as p
    left join pair_studies as n on p.slice_no = n.slice_no and p.pair_key = n.pair_key
    left join contrast_values as c on {{ same_group(pair, 'p', 'c') }}
    left join cohort_values as h on {{ same_group(pair, 'p', 'h') }}
),

-- 3. Both contrasts in one, and the cohorts against one another.
combined as (
    select
        a.*,
        {{ stouffer_of(['a.dz_ss_z', 'a.dz_soth_z'], ['sqrt(a.dz_ss_n)', 'sqrt(a.dz_soth_n)']) }} as combined_z_score,
        -- Both contrasts share the samples with septic shock, and others include those with
        -- sepsis: a study's contrasts have the covariance SE(dz_soth)^2, so the correlation below.
        {{ stouffer_of_dependent('a.dz_ss_z', 'a.dz_soth_z', 'sqrt(a.dz_ss_n)', 'sqrt(a.dz_soth_n)', 'least(1e0, a.dz_soth_se / a.dz_ss_se)') }} as combined_z_dependent,
        (coalesce(a.dz_ss_mean / (a.dz_ss_se * a.dz_ss_se), 0e0) + coalesce(a.dz_soth_mean / (a.dz_soth_se * a.dz_soth_se), 0e0))
        / nullif(coalesce(1e0 / (a.dz_ss_se * a.dz_ss_se), 0e0) + coalesce(1e0 / (a.dz_soth_se * a.dz_soth_se), 0e0), 0e0)
            as combined_effect_size
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
        {{ two_sided_normal_p('c.combined_z_dependent') }} as combined_p_dependent
        {%- for first, second in differences %},
        {{ two_sided_normal_p('c.z_diff_' ~ first ~ '_' ~ second) }} as p_diff_{{ first }}_{{ second }}
        {%- endfor %}
    from combined as c
),

-- 4. False discovery rates of both contrasts in one, over the pairs of which one is eligible. Narrow
-- rows: to sort the wide ones per test would take as long as all else here.
{%- set tests = {'q_combined': 'combined_p_value', 'q_combined_dependent': 'combined_p_dependent'} %}
p_values as (
    {%- for q, p in tests.items() %}
    {{ 'union all' if not loop.first }}
    select
        {{ group_columns(pair, 't') }},
        '{{ q }}' as q_name,
        t.{{ p }} as p,
        count(*) over (partition by {{ group_columns(slice_columns(), 't') }}) as tests
    from tested as t
    where t.{{ p }} is not null and (t.ss_is_eligible = 1 or t.soth_is_eligible = 1)
    {%- endfor %}
),

adjusted as (
    {{ benjamini_hochberg('p_values', slice_columns() + ['q_name'], 'p', 'tests') | indent(4) }}
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

-- A screen tested all pairs, of which those here are a part: its rates replace these.
screened as (
    select
        {{ group_columns(slice_columns(), 's') }},
        p.pair_key,
        s.pairs_tested
        {%- for q in tests %},
        s.{{ q }}
        {%- endfor %}
    from {{ ref('stg_screened_pairs') }} as s
    inner join {{ ref('dim_gene_pair') }} as p on s.pair_natural_key = p.pair_natural_key
),

with_q as (
    select
        {{ group_columns(pair + ['batch_id'], 't') }}
        {%- for metric in metrics if not metric.startswith('neglog_') %},
        {% if metric in tests or metric == 'pairs_tested' -%}
        case when s.pair_key is not null then s.{{ metric }} else {{ 't' if metric == 'pairs_tested' else 'f' }}.{{ metric }} end as {{ metric }}
        {%- else -%}
        t.{{ metric }}
        {%- endif %}
        {%- endfor %},
        t.deciding_i2
    from tested as t
    left join false_discovery_rates as f on {{ same_group(pair, 't', 'f') }}
    left join screened as s on {{ same_group(pair, 't', 's') }}
),

-- 5. Rows of files: for pairs that are no candidates, and where they say that they go first.
given as (
    select
        {{ group_columns(slice_columns(), 's') }},
        p.pair_key,
        s.batch_id,
        c.csv_override,
        {%- for metric in metrics %}
        c.{{ metric }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ ref('int_slice') }} as s
    inner join {{ ref('stg_pair_metrics') }} as c on {{ same_group(slice_columns(), 's', 'c') }}
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
        {%- endfor %},
        a.deciding_i2
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
        {%- endfor %},
        least(coalesce(g.dz_ss_i2, 1e2), coalesce(g.dz_soth_i2, 1e2)) as deciding_i2
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
    m.organism,
    {%- for metric in metrics %}
    {%- if metric.startswith('neglog_') %}
    {%- set q = metric | replace('neglog_', '') %}
    case when m.{{ q }} is not null then abs(log10(greatest(m.{{ q }}, 1e-300))) else m.{{ metric }} end as {{ metric }},
    {%- else %}
    m.{{ metric }},
    {%- endif %}
    {%- endfor %}
    -- The hooks put the scores that need the other pairs.
    {{ metrics_score('m.power_score', 'm.consistency_score', 'm.deciding_i2') }} as metrics_score,
    cast(null as float(53)) as rank_score,
    cast(null as float(53)) as unsupervised_score,
    cast(null as float(53)) as new_rank_score,
    cast(null as {{ type_code(36) }}) as rank_run_id,
    cast('{{ invocation_id }}' as {{ type_code(36) }}) as feature_run_id,
    m.batch_id,
    {{ utc_now() }} as etl_created_date
from merged as m
