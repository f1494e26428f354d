-- A table: many models read it, and it takes long to compute.
{{ config(materialized='table') }}

with documents as (
    select
        b.batch_id,
        b.study_accession_code,
        m.metadata_json
    from {{ ref('stg_batch') }} as b
    inner join {{ source('staging', 'study_metadata') }} as m on b.batch_id = m.batch_id
),

sample_blocks as (
    {{ json_object_rows('documents', ['batch_id', 'study_accession_code'], 'metadata_json', '$.samples') | indent(4) }}
)

select
    batch_id,
    study_accession_code,
    cast(name as {{ type_code(50) }}) as sample_accession_code,
    {{ sample_natural_key('study_accession_code', 'name') | indent(4) }} as sample_natural_key,
    cast({{ json_text('content', '$.refinebio_title') }} as {{ type_text(1000) }}) as sample_title,
    cast({{ json_text('content', '$.refinebio_organism') }} as {{ type_code(100) }}) as sample_organism,
    cast({{ json_text('content', '$.refinebio_platform') }} as {{ type_text(300) }}) as sample_platform,
    cast(nullif({{ json_text('content', '$.refinebio_treatment') }}, '') as {{ type_text(500) }}) as sample_treatment,
    cast(nullif({{ json_text('content', '$.refinebio_cell_line') }}, '') as {{ type_text(200) }}) as sample_cell_line,
    cast(nullif({{ json_text('content', '$.refinebio_specimen_part') }}, '') as {{ type_text(200) }}) as sample_tissue,
    cast({{ json_text('content', '$.refinebio_disease') }} as {{ type_text(500) }}) as sample_disease,
    cast({{ json_text('content', '$.refinebio_disease_stage') }} as {{ type_text(500) }}) as sample_disease_stage,
    cast({{ json_text('content', '$.refinebio_subject') }} as {{ type_text(500) }}) as sample_subject,
    cast(
        case lower({{ json_text('content', '$.refinebio_processed') }}) when 'true' then 1 when 'false' then 0 end
        as {{ type_flag() }}
    ) as is_processed,
    cast(nullif({{ json_text('content', '$.refinebio_processor_name') }}, '') as {{ type_text(100) }}) as processor_name,
    cast(nullif({{ json_text('content', '$.refinebio_processor_version') }}, '') as {{ type_text(50) }}) as processor_version
from sample_blocks
