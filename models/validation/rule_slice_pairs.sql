-- Slices without a gene pair that has a contrast, and the first of the reasons that holds: no genes in common, no cohort, no contrast.
with empty_slice as (
    select
        s.disease_key,
        s.technology,
        s.organism,
        s.study_count,
        case when s.study_count < {{ var('k_min') }} then s.study_count else {{ var('k_min') }} end as needed_count
    from {{ ref('stg_slice') }} as s
    where
        s.study_count > 0
        and not exists (
            select 1
            from {{ ref('fact_gene_pair_contrast') }} as f
            where {{ same_slice('f', 's') }}
        )
),

gene_studies as (
    select
        e.disease_key,
        e.technology,
        e.organism,
        f.entity_id_1 as gene_key,
        count(*) as study_count
    from empty_slice as e
    inner join {{ ref('stg_slice_study') }} as s on {{ same_slice('e', 's') }}
    inner join {{ ref('fact_feature_values') }} as f on s.study_key = f.study_key and s.batch_id = f.batch_id
    where f.entity_scope = 'GENE' and f.feature_name = 'gene_missing_share'
    group by e.disease_key, e.technology, e.organism, f.entity_id_1
),

gene_counts as (
    select
        e.disease_key,
        e.technology,
        e.organism,
        sum(case when g.study_count >= e.needed_count then 1 else 0 end) as gene_count
    from empty_slice as e
    inner join gene_studies as g on {{ same_slice('e', 'g') }}
    group by e.disease_key, e.technology, e.organism
),

cohort_counts as (
    select
        disease_key,
        technology,
        organism,
        max(case when is_large_enough = 1 then 1 else 0 end) as has_cohort,
        max(sample_count) as largest_count
    from {{ ref('stg_slice_cohort') }}
    group by disease_key, technology, organism
),

id_forms as (
    select
        s.disease_key,
        s.technology,
        s.organism,
        {{ sorted_list("concat(t.study_accession_code, ' ', coalesce(b.gene_id_form, 'unknown'))") }} as forms
    from {{ ref('stg_slice_study') }} as s
    inner join {{ ref('dim_study') }} as t on s.study_key = t.study_key
    left join {{ source('staging', 'batch') }} as b on s.batch_id = b.batch_id
    group by s.disease_key, s.technology, s.organism
),

answering as (
    select
        disease_key,
        technology,
        organism,
        count(distinct study_key) as study_count
    from {{ ref('vw_contrast_study') }}
    group by disease_key, technology, organism
)

select
    'SLICE_WITHOUT_PAIRS' as validation_code,
    cast(null as {{ type_code(64) }}) as batch_id,
    cast(null as {{ type_code(50) }}) as study_accession_code,
    concat(d.disease_label, ' ', e.technology, ' ', e.organism) as subject,
    case
        when coalesce(g.gene_count, 0) < 2
            then concat(
                {{ counted('coalesce(g.gene_count, 0)', 'gene') }}, ' in ', e.needed_count, ' of its ',
                {{ counted('e.study_count', 'study') }}, '; the forms of their gene ids: ', left(i.forms, 300)
            )
        when coalesce(c.has_cohort, 0) = 0
            then concat('no cohort has {{ min_cohort_samples() }} labelled samples; the largest has ', coalesce(c.largest_count, 0))
        when coalesce(a.study_count, 0) = 0
            then 'no study has both sides of a contrast with {{ min_cohort_samples() }} labelled samples each'
        else concat('none of its ', g.gene_count, ' common genes is expressed and varies in enough studies')
    end as finding
from empty_slice as e
inner join {{ ref('dim_disease') }} as d on e.disease_key = d.disease_key
left join gene_counts as g on {{ same_slice('e', 'g') }}
left join cohort_counts as c on {{ same_slice('e', 'c') }}
left join id_forms as i on {{ same_slice('e', 'i') }}
left join answering as a on {{ same_slice('e', 'a') }}
