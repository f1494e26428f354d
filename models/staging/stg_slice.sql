with members as (
    select
        disease_key,
        technology,
        study_key,
        concat('study ', study_key, ':', batch_id, ':', {{ instant_text('loaded_at') }}) as member
    from {{ ref('stg_slice_study') }}
    union all
    select
        disease_key,
        technology,
        cast(null as integer) as study_key,
        concat('csv ', batch_id, ':', count(*), ':', {{ instant_text('max(staged_at)') }}) as member
    from {{ ref('stg_pair_metrics') }}
    group by disease_key, technology, batch_id
    union all
    select distinct
        disease_key,
        technology,
        cast(null as integer) as study_key,
        concat('screen ', feature_run_id) as member
    from {{ ref('stg_screened_pairs') }}
),

listed as (
    select
        disease_key,
        technology,
        count(study_key) as study_count,
        {{ sorted_list('member') }} as members
    from members
    group by disease_key, technology
)

select
    disease_key,
    technology,
    study_count,
    {{ sha256_hex("concat(members, '" ~ meta_analysis_settings() ~ "')") }} as batch_id
from listed
