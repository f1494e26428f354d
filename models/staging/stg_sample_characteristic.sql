with documents as (
    select
        b.batch_id,
        m.metadata_json
    from {{ ref('stg_batch') }} as b
    inner join {{ source('staging', 'study_metadata') }} as m on b.batch_id = m.batch_id
),

sample_blocks as (
    {{ json_object_rows('documents', ['batch_id'], 'metadata_json', '$.samples') | indent(4) }}
),

samples as (
    select
        batch_id,
        name as sample_accession_code,
        content
    from sample_blocks
),

characteristics as (
    {{ json_object_rows('samples', ['batch_id', 'sample_accession_code'], 'content', '$.characteristics') | indent(4) }}
)

select
    batch_id,
    cast(sample_accession_code as {{ type_code(50) }}) as sample_accession_code,
    cast(name as {{ type_text(100) }}) as characteristic,
    cast(content as {{ type_text(500) }}) as characteristic_value
from characteristics
