with members as (
    select
        disease_key,
        technology,
        organism,
        concat('study ', study_key, ':', batch_id, ':', {{ instant_text('loaded_at') }}, ':', cohorts) as member
    from {{ ref('stg_slice_study') }}
)

select
    m.disease_key,
    m.technology,
    m.organism,
    cast('{{ screen_settings() }}' as {{ type_code(200) }}) as settings,
    {{ sha256_hex("concat(" ~ sorted_list('m.member') ~ ", ' ', max(d.state), ' " ~ screen_settings() ~ "')") }} as studies_hash
from members as m
left join {{ ref('stg_disease_state') }} as d on m.disease_key = d.disease_key
group by m.disease_key, m.technology, m.organism
