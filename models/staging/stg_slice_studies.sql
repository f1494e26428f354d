with members as (
    select
        disease_key,
        technology,
        concat('study ', study_key, ':', batch_id, ':', {{ instant_text('loaded_at') }}) as member
    from {{ ref('stg_slice_study') }}
)

select
    disease_key,
    technology,
    cast('{{ screen_settings() }}' as {{ type_code(200) }}) as settings,
    {{ sha256_hex("concat(" ~ sorted_list('member') ~ ", '" ~ screen_settings() ~ "')") }} as studies_hash
from members
group by disease_key, technology
