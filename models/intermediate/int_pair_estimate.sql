{%- set metrics = {
    'dz_ss': ['dz_ss', 'dz_ss_se'],
    'dz_soth': ['dz_soth', 'dz_soth_se'],
    'control': ['z_control', 'se_control'],
    'no_sepsis': ['z_no_sepsis', 'se_no_sepsis'],
    'sepsis': ['z_sepsis', 'se_sepsis'],
    'septic_shock': ['z_septic_shock', 'se_septic_shock'],
} -%}
{%- set group = ['disease_key', 'technology', 'pair_key', 'metric'] %}

-- All metrics are in one relation, so that the long expressions of the p-values occur only once in the
-- statement.
with estimates as (
    {%- for metric, (theta, se) in metrics.items() %}
    {{- '\n    union all' if not loop.first }}
    select
        e.disease_key,
        e.technology,
        e.pair_key,
        '{{ metric }}' as metric,
        e.study_key,
        e.{{ theta }} as theta,
        e.{{ se }} as se
    from {{ ref('int_study_pair_estimate') }} as e
    {%- endfor %}
),

contrast_estimates as (
    select *
    from estimates
    where metric in ('dz_ss', 'dz_soth')
),

{{ dsl_pool('dsl', 'estimates', group, 'theta', 'se') }},

pooled as {{ materialized() }}(
    select *
    from dsl
),

{{ leave_one_out('loo', 'contrast_estimates', group, 'study_key', 'theta', 'se') }},

agreement as (
    {{ consistency('contrast_estimates', group, 'theta', 'se', 'pooled') | indent(4) }}
)

select
    p.*,
    l.loo_min,
    l.loo_max,
    a.kappa,
    a.direction_consistency,
    a.magnitude_consistency,
    a.consistency_score
from pooled as p
left join loo as l on {{ same_group(group, 'p', 'l') }}
left join agreement as a on {{ same_group(group, 'p', 'a') }}
