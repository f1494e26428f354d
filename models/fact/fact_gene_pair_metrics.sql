{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='append_new_columns',
        full_refresh=false,
        meta={'key_is_tested': true},
        full_refresh_build='prebuilt',
        indexes=table_indexes([
            {'columns': [{'column': 'new_rank_score', 'desc': true}], 'included_columns': ['combined_p_value', 'power_score']},
            {'columns': ['p_ss', 'p_soth', 'rank_score']},
        ]),
        pre_hook=["{{ take_up_first_build(this.schema, this.identifier) }}", "{{ in_later_builds(remove_replaced_slices(this), is_alone=true) }}"],
        post_hook=["{{ put_rank_scores(this) }}", "{{ put_ranking(this) }}", "{{ put_reviews(this) }}", "{{ empty_intermediate_tables() }}"]
    )
}}

{%- set cohorts = ['control', 'no_sepsis', 'sepsis', 'septic_shock'] -%}
{%- set contrasts = ['ss', 'soth'] -%}
{%- set differences = [('septic_shock', 'sepsis'), ('septic_shock', 'control'), ('sepsis', 'control')] -%}
{%- set pair = slice_columns() + ['pair_key'] -%}
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
        cast({{ count_of_numbers('e.study_no', slice_study_count()) }} as integer) as included_study_count,
        cast(sum(e.n) as integer) as total_samples
    from {{ ref('int_study_pair_cohort') }} as e
    group by e.slice_no, e.pair_key
),

-- 2. Columns of the contrasts of the requirement, of the contrast that decides and of the cohorts: one
-- join each. With an aggregate of all of them, 500,500 pairs took 1 GB more.
{%- set columns = {
    'theta_re': 'dz_@_mean', 'se_re': 'dz_@_se', 'ci_low': 'dz_@_ci_low', 'ci_high': 'dz_@_ci_high',
    'cochran_q': 'dz_@_q', 'cochran_q_p': 'dz_@_q_p', 'i2': 'dz_@_i2', 'tau2': 'dz_@_tau2', 'z': 'dz_@_z',
    'p': 'p_@', 'q': 'q_@', 'hk_se': 'dz_@_hk_se', 'hk_adhoc_se': 'dz_@_hk_adhoc_se',
    'hk_ci_low': 'dz_@_hk_ci_low', 'hk_ci_high': 'dz_@_hk_ci_high', 'p_hk': 'p_@_hk', 'q_hk': 'q_@_hk',
    'pi_low': 'dz_@_pi_low', 'pi_high': 'dz_@_pi_high', 'loo_min': 'dz_@_loo_min', 'loo_max': 'dz_@_loo_max',
    'kappa': 'kappa_@', 'n_studies': 'n_studies_@',
} %}
{%- set cohort_columns = {
    'r': 'r_@', 'z_re': 'z_@', 'se_re': 'se_r_@', 'i2': 'i2_@', 'z_stat': 'z_stat_@', 'p': 'p_value_@',
    'n_samples': 'n_samples_@', 'n_studies': 'n_studies_@',
} %}
{%- for contrast in contrasts %}
{{ contrast }}_values as (
    select
        i.slice_no,
        c.pair_key
        {%- for column, name in columns.items() %},
        c.{{ column }} as {{ name | replace('@', contrast) }}
        {%- endfor %}
    from {{ ref('fact_gene_pair_contrast') }} as c
    inner join {{ ref('dim_contrast') }} as d on c.contrast_key = d.contrast_key
    inner join {{ ref('int_slice') }} as i on {{ same_slice('c', 'i') }}
    where d.contrast = '{{ contrast }}'
),
{% endfor %}
deciding_values as (
    select
        i.slice_no,
        c.pair_key,
        c.power_score,
        c.direction_consistency,
        c.magnitude_consistency,
        c.consistency_score,
        c.i2
    from {{ ref('fact_gene_pair_contrast') }} as c
    inner join {{ ref('int_slice') }} as i on {{ same_slice('c', 'i') }}
    where c.is_deciding = 1
),
{% for cohort in cohorts %}
{{ cohort }}_values as (
    select
        i.slice_no,
        c.pair_key
        {%- for column, name in cohort_columns.items() %},
        c.{{ column }} as {{ name | replace('@', cohort) }}
        {%- endfor %}
    from {{ ref('fact_gene_pair_cohort') }} as c
    inner join {{ ref('dim_illness') }} as d on c.illness_key = d.illness_key
    inner join {{ ref('int_slice') }} as i on {{ same_slice('c', 'i') }}
    where d.illness_label = '{{ cohort | upper }}'
),
{% endfor %}
-- 3. Both contrasts in one. These tables are narrow: wide ones would take long to sort and to keep.
contrast_pairs as (
    select
        i.slice_no,
        c.pair_key
        {%- for contrast in contrasts %}
        {%- for column in ['z', 'se_re', 'n_samples'] %},
        max(case when d.contrast = '{{ contrast }}' then c.{{ column }} end) as {{ contrast }}_{{ column }}
        {%- endfor %}
        {%- endfor %},
        max(case when d.contrast in ('ss', 'soth') and c.is_eligible = 1 then 1 else 0 end) as is_combined,
        max(case when c.is_eligible = 1 then 1 else 0 end) as is_eligible
    from {{ ref('fact_gene_pair_contrast') }} as c
    inner join {{ ref('dim_contrast') }} as d on c.contrast_key = d.contrast_key
    inner join {{ ref('int_slice') }} as i on {{ same_slice('c', 'i') }}
    group by i.slice_no, c.pair_key
),

combined as (
    select
        c.slice_no,
        c.pair_key,
        c.is_combined,
        c.is_eligible,
        {{ stouffer_of(['c.ss_z', 'c.soth_z'], ['sqrt(c.ss_n_samples)', 'sqrt(c.soth_n_samples)']) }} as combined_z_score,
        -- Both contrasts share the samples with septic shock, and the reference of soth includes that
        -- of ss: a study's contrasts have the covariance SE(dz_soth)^2, so the correlation below.
        {{ stouffer_of_dependent('c.ss_z', 'c.soth_z', 'sqrt(c.ss_n_samples)', 'sqrt(c.soth_n_samples)', 'least(1e0, c.soth_se_re / c.ss_se_re)') }} as combined_z_dependent
    from contrast_pairs as c
),

tested as {{ materialized() }}(
    select
        c.*,
        {{ two_sided_normal_p('c.combined_z_score') }} as combined_p_value,
        {{ two_sided_normal_p('c.combined_z_dependent') }} as combined_p_dependent
    from combined as c
),

-- Pairs with an eligible contrast: what false discovery rates over pairs are over.
slice_tests as (
    select
        t.slice_no,
        cast(sum(t.is_eligible) as bigint) as pairs_tested
    from tested as t
    group by t.slice_no
),

-- 4. False discovery rates of both contrasts in one, over the pairs of which one is eligible.
{%- set tests = {'q_combined': 'combined_p_value', 'q_combined_dependent': 'combined_p_dependent'} %}
p_values as (
    {%- for p in tests.values() %}
    {{ 'union all' if not loop.first }}
    select
        t.slice_no,
        t.pair_key,
        {{ loop.index }} as test_no,
        t.{{ p }} as p,
        count(*) over (partition by t.slice_no) as tests
    from tested as t
    where t.{{ p }} is not null and t.is_combined = 1
    {%- endfor %}
),

adjusted as (
    {{ benjamini_hochberg('p_values', ['slice_no', 'test_no'], 'p', 'tests') | indent(4) }}
),

false_discovery_rates as (
    select
        a.slice_no,
        a.pair_key
        {%- for q in tests %},
        max(case when a.test_no = {{ loop.index }} then a.q end) as {{ q }}
        {%- endfor %}
    from adjusted as a
    group by a.slice_no, a.pair_key
),

-- A screen tested all pairs, of which those here are a part: its rates replace these.
screened as (
    select
        i.slice_no,
        p.pair_key,
        s.pairs_tested
        {%- for q in tests %},
        s.{{ q }}
        {%- endfor %}
    from {{ ref('stg_screened_pairs') }} as s
    inner join {{ ref('int_slice') }} as i on {{ same_slice('s', 'i') }}
    inner join {{ ref('dim_gene_pair') }} as p on s.pair_natural_key = p.pair_natural_key
),

assembled as (
    select
        {{ group_columns(pair + ['batch_id'], 'p') }},
        {%- for contrast in contrasts %}
        {%- for name in columns.values() %}
        {{ contrast }}.{{ name | replace('@', contrast) }},
        {%- endfor %}
        {%- endfor %}
        {%- for cohort in cohorts %}
        {%- for name in cohort_columns.values() %}
        {{ cohort }}.{{ name | replace('@', cohort) }},
        {%- endfor %}
        {%- endfor %}
        d.power_score,
        d.direction_consistency,
        d.magnitude_consistency,
        d.consistency_score,
        d.i2 as deciding_i2,
        t.combined_z_score,
        t.combined_p_value,
        t.combined_z_dependent,
        t.combined_p_dependent,
        coalesce(n.total_samples, 0) as total_samples,
        coalesce(n.included_study_count, 0) as included_study_count
        {%- for q in tests %},
        case when s.pair_key is not null then s.{{ q }} else f.{{ q }} end as {{ q }}
        {%- endfor %},
        case when s.pair_key is not null then s.pairs_tested else coalesce(m.pairs_tested, 0) end as pairs_tested
    from slice_pairs as p
    left join pair_studies as n on p.slice_no = n.slice_no and p.pair_key = n.pair_key
    {%- for values in contrasts + cohorts %}
    left join {{ values }}_values as {{ values }} on p.slice_no = {{ values }}.slice_no and p.pair_key = {{ values }}.pair_key
    {%- endfor %}
    left join deciding_values as d on p.slice_no = d.slice_no and p.pair_key = d.pair_key
    left join tested as t on p.slice_no = t.slice_no and p.pair_key = t.pair_key
    left join false_discovery_rates as f on p.slice_no = f.slice_no and p.pair_key = f.pair_key
    left join screened as s on p.slice_no = s.slice_no and p.pair_key = s.pair_key
    left join slice_tests as m on p.slice_no = m.slice_no
),

compared as (
    select
        a.*,
        {%- for contrast in contrasts %}
        abs(a.dz_{{ contrast }}_mean) as abs_dz_{{ contrast }},
        {%- endfor %}
        (coalesce(a.dz_ss_mean / (a.dz_ss_se * a.dz_ss_se), 0e0) + coalesce(a.dz_soth_mean / (a.dz_soth_se * a.dz_soth_se), 0e0))
        / nullif(coalesce(1e0 / (a.dz_ss_se * a.dz_ss_se), 0e0) + coalesce(1e0 / (a.dz_soth_se * a.dz_soth_se), 0e0), 0e0)
            as combined_effect_size
        {%- for first, second in differences %},
        a.r_{{ first }} - a.r_{{ second }} as delta_r_{{ first }}_{{ second }},
        (a.z_{{ first }} - a.z_{{ second }}) / sqrt(a.se_r_{{ first }} * a.se_r_{{ first }} + a.se_r_{{ second }} * a.se_r_{{ second }}) as z_diff_{{ first }}_{{ second }}
        {%- endfor %}
    from assembled as a
),

computed as (
    select
        {{ group_columns(pair + ['batch_id'], 'c') }}
        {%- for metric in metrics if not metric.startswith('neglog_') %},
        {% if metric.startswith('p_diff_') -%}
        {{ two_sided_normal_p('c.' ~ metric | replace('p_diff_', 'z_diff_')) }} as {{ metric }}
        {%- elif metric.startswith('n_') -%}
        coalesce(c.{{ metric }}, 0) as {{ metric }}
        {%- else -%}
        c.{{ metric }}
        {%- endif %}
        {%- endfor %},
        c.deciding_i2
    from compared as c
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
    inner join {{ ref('stg_pair_metrics') }} as c on {{ same_slice('s', 'c') }}
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
    from computed as a
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
        {{ i2_of_file('g') }} as deciding_i2
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
    cast(null as {{ type_text() }}) as agent_result_json,
    cast('{{ invocation_id }}' as {{ type_code(36) }}) as feature_run_id,
    m.batch_id,
    {{ utc_now() }} as etl_created_date
from merged as m
