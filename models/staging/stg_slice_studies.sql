with members as (
    select
        disease_key,
        technology,
        organism,
        concat('study ', study_key, ':', batch_id, ':', {{ instant_text('loaded_at') }}, ':', cohorts) as member
    from {{ ref('stg_slice_study') }}
),

contrasts as (
    select
        d.disease_key,
        {{ sorted_list("concat(c.contrast, ':', c.case_labels, ':', c.reference_labels)") }} as definitions
    from {{ ref('stg_contrast') }} as c
    inner join {{ ref('dim_disease') }} as d on c.disease_label = d.disease_label
    group by d.disease_key
)

select
    m.disease_key,
    m.technology,
    m.organism,
    cast('{{ screen_settings() }}' as {{ type_code(200) }}) as settings,
    {{ sha256_hex("concat(" ~ sorted_list('m.member') ~ ", ' ', max(c.definitions), '" ~ screen_settings() ~ "')") }} as studies_hash
from members as m
left join contrasts as c on m.disease_key = c.disease_key
group by m.disease_key, m.technology, m.organism
