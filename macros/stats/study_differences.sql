{#- Per study and contrast, the difference of both sides of a pair on the scale of z (Fisher 1921). CTEs of a `with`
    chain; the last is <name>, one row per slice, study and contrast of which the study has both sides: pair_key,
    disease_key, disease_label, technology, organism, contrast_key, contrast, study_key, study_accession_code, n,
    case_r, reference_r, theta, se.

    name              prefix of the CTEs and name of the last
    cohorts           relation with the columns of vw_pair_cohort
    contrast_cohorts  relation with the columns of stg_contrast_cohort
    contrasts         relation with the columns of dim_contrast

    cohorts: study_key | illness_label | theta | se     {{ study_differences('d', 'cohorts', …) }}
             1         | SEPTIC_SHOCK  | 0.5   | 0.2    study_key | contrast | theta | se
             1         | SEPSIS        | 0.25  | 0.05   1         | ss       | 0.25  | 0.2062

    The variance of a difference of independent estimates is the sum of theirs (Borenstein et al. 2009, ch. 5). -#}
{% macro study_differences(name, cohorts, contrast_cohorts, contrasts) -%}
{%- set study = ['disease_key', 'technology', 'organism', 'study_key'] -%}
{{ name }}_sides as (
    select
        {{ group_columns(study, 'e') }},
        e.disease_label,
        e.study_accession_code,
        e.pair_key,
        c.contrast_key,
        {{ sides_of_contrast() }}
    from {{ cohorts }} as e
    inner join {{ contrast_cohorts }} as c on e.disease_key = c.disease_key and e.illness_key = c.illness_key
    group by {{ group_columns(study, 'e') }}, e.disease_label, e.study_accession_code, e.pair_key, c.contrast_key
),

{{ name }} as (
    select
        s.pair_key,
        s.disease_key,
        s.disease_label,
        s.technology,
        s.organism,
        s.contrast_key,
        n.contrast,
        s.study_key,
        s.study_accession_code,
        cast(s.n as integer) as n,
        {{ tanh_of('s.case_z') }} as case_r,
        {{ tanh_of('s.reference_z') }} as reference_r,
        {{ difference_of_sides('s') }}
    from {{ name }}_sides as s
    inner join {{ contrasts }} as n on s.contrast_key = n.contrast_key
    where s.case_weight > 0e0 and s.reference_weight > 0e0
)
{%- endmacro %}
