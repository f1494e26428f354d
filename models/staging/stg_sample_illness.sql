-- A table: many models read it, and it takes long to compute.
{{ config(materialized='table') }}

-- The diseases whose phrases are looked for: the study's, and the one that it shares labels with; SEPSIS if the
-- study has no disease.
with study_diseases as (
    select
        b.batch_id,
        coalesce(d.disease_label, 'SEPSIS') as disease_label,
        e.shares_labels_with
    from {{ ref('stg_batch') }} as b
    left join {{ ref('dim_study') }} as s on b.study_accession_code = s.study_accession_code
    left join {{ ref('study_disease_map') }} as m on s.study_key = m.study_key and m.is_active = 1
    left join {{ ref('dim_disease') }} as d on m.disease_key = d.disease_key
    left join {{ ref('stg_disease') }} as e on d.disease_label = e.disease_label
),

rules as (
    select
        d.batch_id,
        r.rule_order,
        r.phrase,
        r.illness_label,
        r.negates
    from study_diseases as d
    inner join {{ ref('stg_illness_rule') }} as r
        on r.disease_label is null or r.disease_label in (d.disease_label, d.shares_labels_with)
),

-- The sources of a label, most trusted first. UNKNOWN is not a label, so the search continues after it.
texts as (
    select
        batch_id,
        sample_accession_code,
        1 as source_order,
        'title' as illness_source,
        sample_title as source_text
    from {{ ref('stg_sample') }}
    union all
    select
        batch_id,
        sample_accession_code,
        2 as source_order,
        'disease' as illness_source,
        sample_disease as source_text
    from {{ ref('stg_sample') }}
    union all
    select
        batch_id,
        sample_accession_code,
        3 as source_order,
        'disease_stage' as illness_source,
        sample_disease_stage as source_text
    from {{ ref('stg_sample') }}
    union all
    select
        batch_id,
        sample_accession_code,
        4 as source_order,
        'subject' as illness_source,
        sample_subject as source_text
    from {{ ref('stg_sample') }}
    union all
    select
        c.batch_id,
        c.sample_accession_code,
        5 as source_order,
        'characteristic' as illness_source,
        {{ characteristic_text('c.characteristic', 'c.characteristic_value') }} as source_text
    from {{ ref('stg_sample_characteristic') }} as c
    where {{ is_read_for_label('c', ref('illness_characteristic'), 'rules') }}
),

{{ illness_matches('matches', 'texts', 'rules', ref('illness_denial'), ref('stg_illness')) }},

-- What the sample's texts say besides. Septic shock is sepsis, so that is no contradiction; nor is `lupus` one of
-- `lupus nephritis`, which has the word too.
other_matches as (
    select
        o.batch_id,
        o.sample_accession_code,
        o.illness_label,
        o.phrase,
        row_number() over (partition by o.batch_id, o.sample_accession_code order by o.match_order) as other_order
    from matches as o
    inner join matches as m
        on
            o.batch_id = m.batch_id
            and o.sample_accession_code = m.sample_accession_code
            and o.illness_label <> m.illness_label
            and not {{ has_phrase("concat(' ', m.phrase, ' ')", 'o.phrase') }}
            and m.match_order = 1
    left join {{ ref('stg_illness') }} as i on m.illness_label = i.illness_label
    where i.refines_label is null or i.refines_label <> o.illness_label
)

select
    c.batch_id,
    c.sample_accession_code,
    cast(coalesce(c.illness_override, m.illness_label, 'UNKNOWN') as {{ type_code(50) }}) as illness_label,
    cast(
        case
            when c.illness_override is not null then 'override'
            else coalesce(m.illness_source, 'none')
        end as {{ type_code(20) }}
    ) as illness_source,
    cast(m.illness_label as {{ type_code(50) }}) as inferred_illness_label,
    cast(m.phrase as {{ type_text(100) }}) as inferred_from_phrase,
    cast(o.illness_label as {{ type_code(50) }}) as other_illness_label,
    cast(o.phrase as {{ type_text(100) }}) as other_phrase,
    cast(case when c.illness_override <> m.illness_label then 1 else 0 end as {{ type_flag() }}) as is_conflict
from {{ ref('stg_sample_config') }} as c
left join matches as m
    on
        c.batch_id = m.batch_id
        and c.sample_accession_code = m.sample_accession_code
        and m.match_order = 1
left join other_matches as o
    on
        c.batch_id = o.batch_id
        and c.sample_accession_code = o.sample_accession_code
        and o.other_order = 1
