-- 4004 LOAD_CONSTRAINT_VIOLATION: a computed row of fact_gene_pair_metrics differs from the rows of the long
-- facts that it is derived from, or a pair of those has no row there.

{%- set pair = slice_columns() + ['pair_key'] %}
{%- set of_contrast = {
    'dz_@_mean': 'theta_re', 'dz_@_se': 'se_re', 'dz_@_ci_low': 'ci_low', 'dz_@_ci_high': 'ci_high',
    'dz_@_q': 'cochran_q', 'dz_@_q_p': 'cochran_q_p', 'dz_@_i2': 'i2', 'dz_@_tau2': 'tau2', 'dz_@_z': 'z',
    'p_@': 'p', 'q_@': 'q', 'dz_@_hk_se': 'hk_se', 'dz_@_hk_adhoc_se': 'hk_adhoc_se',
    'dz_@_hk_ci_low': 'hk_ci_low', 'dz_@_hk_ci_high': 'hk_ci_high', 'p_@_hk': 'p_hk', 'q_@_hk': 'q_hk',
    'dz_@_pi_low': 'pi_low', 'dz_@_pi_high': 'pi_high', 'dz_@_loo_min': 'loo_min',
    'dz_@_loo_max': 'loo_max', 'kappa_@': 'kappa'
} %}
{%- set of_cohort = {'r_@': 'r', 'se_r_@': 'se_re', 'i2_@': 'i2', 'z_stat_@': 'z_stat', 'p_value_@': 'p'} %}
{%- set of_deciding = ['power_score', 'direction_consistency', 'magnitude_consistency', 'consistency_score'] %}
{%- set counts_of_cohort = ['n_studies', 'n_samples'] %}

with wide as (
    select *
    from {{ ref('fact_gene_pair_metrics') }}
    where metrics_source = 'AGGREGATOR'
),

contrasts as (
    select
        c.*,
        d.contrast
    from {{ ref('fact_gene_pair_contrast') }} as c
    inner join {{ ref('dim_contrast') }} as d on c.contrast_key = d.contrast_key
),

cohorts as (
    select
        c.*,
        d.illness_label
    from {{ ref('fact_gene_pair_cohort') }} as c
    inner join {{ ref('dim_illness') }} as d on c.illness_key = d.illness_key
)

{%- for short in ['ss', 'soth'] %}
select
    {{ group_columns(pair, 'm') }},
    '{{ short }}' as part
from wide as m
left join contrasts as c on {{ same_group(pair, 'm', 'c') }} and c.contrast = '{{ short }}'
where
    m.n_studies_{{ short }} <> coalesce(c.n_studies, 0)
    {%- for wide_name, name in of_contrast.items() %}
    or coalesce(m.{{ wide_name | replace('@', short) }}, 1e307) <> coalesce(c.{{ name }}, 1e307)
    {%- endfor %}
union all
{%- endfor %}
{%- for cohort in ['control', 'no_sepsis', 'sepsis', 'septic_shock'] %}
select
    {{ group_columns(pair, 'm') }},
    '{{ cohort }}' as part
from wide as m
left join cohorts as c on {{ same_group(pair, 'm', 'c') }} and c.illness_label = '{{ cohort | upper }}'
where
    1 = 0
    {%- for name in counts_of_cohort %}
    or m.{{ name }}_{{ cohort }} <> coalesce(c.{{ name }}, 0)
    {%- endfor %}
    {%- for wide_name, name in of_cohort.items() %}
    or coalesce(m.{{ wide_name | replace('@', cohort) }}, 1e307) <> coalesce(c.{{ name }}, 1e307)
    {%- endfor %}
union all
{%- endfor %}
select
    {{ group_columns(pair, 'm') }},
    'deciding' as part
from wide as m
left join contrasts as c on {{ same_group(pair, 'm', 'c') }} and c.is_deciding = 1
where
    1 = 0
    {%- for name in of_deciding %}
    or coalesce(m.{{ name }}, 1e307) <> coalesce(c.{{ name }}, 1e307)
    {%- endfor %}
union all
select distinct
    {{ group_columns(pair, 'c') }},
    'no row' as part
from {{ ref('fact_gene_pair_contrast') }} as c
left join {{ ref('fact_gene_pair_metrics') }} as m on {{ same_group(pair, 'c', 'm') }}
where m.pair_key is null
