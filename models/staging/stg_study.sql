-- A table: many models read it, and each would parse the metadata again.
{{ config(materialized='table') }}

{%- set unit_signs = [
    'c.configured_unit_tag', 'c.stated_unit_tag', 'c.study_technology', 'c.processor_name', 'c.scale_by',
    'c.value_min', 'c.value_max', 'c.is_whole_numbers',
] -%}
with documents as (
    select
        b.batch_id,
        b.study_accession_code,
        b.configured_unit_tag,
        b.value_min,
        b.value_max,
        b.is_whole_numbers,
        b.share_above_30,
        {{ json_document('m.metadata_json', '$.experiment') }} as experiment,
        {{ json_document('m.metadata_json', '$.download') }} as download
    from {{ ref('stg_batch') }} as b
    inner join {{ source('staging', 'study_metadata') }} as m on b.batch_id = m.batch_id
),

metadata as (
    select
        d.*,
        {{ json_text('d.download', '$.unit') }} as stated_unit_tag,
        {{ json_text('d.download', '$.scale_by') }} as scale_by,
        {{ technology(json_text('d.experiment', '$.technology')) }} as study_technology
    from documents as d
),

processors as (
    select
        batch_id,
        {{ common_processor('min(processor_name)', 'max(processor_name)') | indent(8) }} as processor_name
    from {{ ref('stg_sample') }}
    group by batch_id
),

combined as (
    select
        m.*,
        p.processor_name
    from metadata as m
    left join processors as p on m.batch_id = p.batch_id
),

judged as (
    select
        c.*,
        cast({{ unit_contradiction(*unit_signs, share_above_30='c.share_above_30') | indent(8) }} as {{ type_text(500) }}) as unit_contradiction
    from combined as c
)

select
    c.batch_id,
    c.study_accession_code,
    cast({{ json_text('c.experiment', '$.title') }} as {{ type_text(1000) }}) as study_title,
    cast(nullif({{ json_text('c.experiment', '$.pubmed_id') }}, '') as {{ type_code(20) }}) as study_pubmed_id,
    cast(c.study_technology as {{ type_code(20) }}) as study_technology,
    cast({{ json_text('c.experiment', '$.organisms[0]') }} as {{ type_code(100) }}) as study_organism,
    cast({{ json_long_text('c.experiment', 'description') }} as {{ type_text() }}) as study_description,
    {{ try_instant(json_text('c.experiment', '$.source_first_published')) }} as source_first_published,
    {{ try_instant(json_text('c.experiment', '$.source_last_modified')) }} as source_last_modified,
    {{ try_instant(json_text('c.download', '$.created_at')) }} as created_date,
    cast({{ unit_tag('c.unit_contradiction', *unit_signs) | indent(8) }} as {{ type_code(20) }}) as study_unit_tag,
    c.unit_contradiction
from judged as c
