with members as (
    select
        s.disease_key,
        s.technology,
        s.organism,
        s.study_key,
        concat('study ', s.study_key, ':', s.batch_id, ':', {{ instant_text('s.loaded_at') }}, ':', s.cohorts) as member
    from {{ ref('stg_slice_study') }} as s
    union all
    select
        disease_key,
        technology,
        organism,
        cast(null as integer) as study_key,
        concat('csv ', batch_id, ':', count(*), ':', {{ instant_text('max(staged_at)') }}) as member
    from {{ ref('stg_pair_metrics') }}
    group by disease_key, technology, organism, batch_id
    union all
    select distinct
        disease_key,
        technology,
        organism,
        cast(null as integer) as study_key,
        concat('screen ', feature_run_id) as member
    from {{ ref('stg_screened_pairs') }}
),

contrasts as (
    select
        d.disease_key,
        {{ sorted_list("concat(c.contrast, ':', c.case_labels, ':', c.reference_labels)") }} as definitions
    from {{ ref('stg_contrast') }} as c
    inner join {{ ref('dim_disease') }} as d on c.disease_label = d.disease_label
    group by d.disease_key
),

-- Genes that are tested whatever their variability.
watched_genes as (
    select distinct
        disease_key,
        gene_id
    from {{ ref('stg_watched_gene') }}
    where gene_id is not null
),

watched as (
    select
        disease_key,
        concat(' ', {{ sorted_list('gene_id') }}, ' ') as genes
    from watched_genes
    group by disease_key
),

listed as (
    select
        m.disease_key,
        m.technology,
        m.organism,
        count(m.study_key) as study_count,
        {{ sorted_list('m.member') }} as members,
        max(c.definitions) as definitions,
        max(w.genes) as watched
    from members as m
    left join contrasts as c on m.disease_key = c.disease_key
    left join watched as w on m.disease_key = w.disease_key
    group by m.disease_key, m.technology, m.organism
)

select
    disease_key,
    technology,
    organism,
    study_count,
    {{ sha256_hex("concat(members, ' ', definitions, watched, '" ~ meta_analysis_settings() ~ "')") }} as batch_id
from listed
