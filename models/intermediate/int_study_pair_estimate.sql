{%- set cohorts = ['control', 'no_sepsis', 'sepsis', 'septic_shock', 'others'] -%}
{%- set contrasts = {'dz_ss': 'sepsis', 'dz_soth': 'others'} -%}
{%- set min_samples = [var('min_cohort_samples') | int, 4] | max -%}

with study_pairs as (
    select
        m.study_key,
        p.pair_key,
        p.gene_a_key,
        p.gene_b_key
    from {{ ref('int_slice') }} as s
    inner join {{ ref('tbl_gene_pairs_materialized') }} as c
        on s.disease_key = c.disease_key and s.technology = c.technology
    inner join {{ ref('dim_gene_pair') }} as p on c.pair_natural_key = p.pair_natural_key
    inner join {{ ref('stg_slice_study') }} as m
        on s.disease_key = m.disease_key and s.technology = m.technology
),

study_genes as (
    select
        study_key,
        gene_a_key as gene_key
    from study_pairs
    union
    select
        study_key,
        gene_b_key as gene_key
    from study_pairs
),

labelled_values as (
    select
        e.study_key,
        e.illness_label,
        e.gene_key,
        e.sample_key,
        e.expression_value as value
    from {{ ref('int_slice_value') }} as e
    inner join study_genes as g on e.study_key = g.study_key and e.gene_key = g.gene_key
),

-- 1. The values of each cohort. "others" are all samples of the study with a known label other than
-- septic shock.
cohort_values as {{ materialized() }}(
    select
        study_key,
        lower(illness_label) as cohort,
        gene_key,
        sample_key,
        value
    from labelled_values
    where illness_label <> 'UNKNOWN'
    union all
    select
        study_key,
        'others' as cohort,
        gene_key,
        sample_key,
        value
    from labelled_values
    where illness_label in ('CONTROL', 'NO_SEPSIS', 'SEPSIS')
),

-- 2. Spearman's r per pair, study and cohort.
{{ pair_correlations('rho', 'study_pairs', 'cohort_values', cohorts) }},

-- 3. Fisher's z and its standard error, if the cohort is large enough and r is defined.
usable as (
    select
        study_key,
        pair_key
        {%- for cohort in cohorts %},
        case when n_{{ cohort }} >= {{ min_samples }} then r_{{ cohort }} end as r_{{ cohort }},
        case when n_{{ cohort }} >= {{ min_samples }} then n_{{ cohort }} end as n_{{ cohort }}
        {%- endfor %}
    from rho
),

fisher as (
    select
        study_key,
        pair_key
        {%- for cohort in cohorts %},
        {{ fisher_z('r_' ~ cohort) }} as z_{{ cohort }},
        {{ spearman_se(clip_r('r_' ~ cohort), 'n_' ~ cohort) }} as se_{{ cohort }},
        n_{{ cohort }}
        {%- endfor %}
    from usable
)

-- 4. The study's contrasts: how much more strongly the pair is co-expressed in septic shock.
select
    m.disease_key,
    m.technology,
    f.pair_key,
    f.study_key
    {%- for cohort in cohorts %},
    f.z_{{ cohort }},
    f.se_{{ cohort }},
    cast(f.n_{{ cohort }} as integer) as n_{{ cohort }}
    {%- endfor %}
    {%- for contrast, cohort in contrasts.items() %},
    f.z_septic_shock - f.z_{{ cohort }} as {{ contrast }},
    sqrt(f.se_septic_shock * f.se_septic_shock + f.se_{{ cohort }} * f.se_{{ cohort }}) as {{ contrast }}_se
    {%- endfor %}
from fisher as f
inner join {{ ref('stg_slice_study') }} as m on f.study_key = m.study_key
