with members as (
    select
        disease_key,
        technology,
        concat(study_key, ':', batch_id, ':', {{ instant_text('loaded_at') }}) as member
    from {{ ref('stg_slice_study') }}
),

listed as (
    select
        disease_key,
        technology,
        count(*) as study_count,
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
