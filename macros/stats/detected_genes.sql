{#- Which genes are expressed in each cohort. A select; the cohort's columns, gene_key, is_detected.

    relation  columns of the cohort, gene_key, value (harmonised), study_unit_tag
    cohort    list of the columns that identify a cohort

    A gene is detected if a share of at least `detection_share_min` of its values lies above the unit's
    floor and if they spread, from least to greatest, by at least the unit's resolution (seed unit:
    detection_floor, value_resolution). A unit without a floor has no first condition.

    values                                   {{ detected_genes('values', ['cohort']) }}
    cohort | gene_key | value | unit         cohort | gene_key | is_detected
    1      | 7        | 0.164 | TPM          1      | 7        | 0
    1      | 7        | 0.166 | TPM          1      | 8        | 1
    1      | 8        | 3.2   | TPM
    1      | 8        | 4.1   | TPM -#}
{% macro detected_genes(relation, cohort) -%}
select
    {{ group_columns(cohort, 'v') }},
    v.gene_key,
    case
        when
            max(v.value) - min(v.value) >= max(u.value_resolution)
            and avg(case when u.detection_floor is null or v.value > u.detection_floor then 1e0 else 0e0 end) >= {{ var('detection_share_min') }}
            then 1
        else 0
    end as is_detected
from {{ relation }} as v
inner join {{ ref('unit') }} as u on v.study_unit_tag = u.unit_tag
group by {{ group_columns(cohort, 'v') }}, v.gene_key
{%- endmacro %}
