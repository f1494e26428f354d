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

listed as (
    select
        m.disease_key,
        m.technology,
        m.organism,
        count(m.study_key) as study_count,
        {{ sorted_list('m.member') }} as members,
        max(d.state) as disease_state
    from members as m
    left join {{ ref('stg_disease_state') }} as d on m.disease_key = d.disease_key
    group by m.disease_key, m.technology, m.organism
)

select
    disease_key,
    technology,
    organism,
    study_count,
    {{ sha256_hex("concat(members, ' ', disease_state, ' " ~ meta_analysis_settings() ~ "')") }} as batch_id
from listed
