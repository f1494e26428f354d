with documents as (
    select
        b.batch_id,
        b.study_accession_code,
        {{ json_document('m.metadata_json', '$.download') }} as download
    from {{ ref('stg_batch') }} as b
    inner join {{ source('staging', 'study_metadata') }} as m on b.batch_id = m.batch_id
)

select
    batch_id,
    study_accession_code,
    try_cast(nullif({{ json_text('download', '$.ks_statistic') }}, '') as float(53)) as ks_statistic,
    try_cast(nullif({{ json_text('download', '$.ks_pvalue') }}, '') as float(53)) as ks_pvalue,
    cast(nullif({{ json_text('download', '$.ks_warning') }}, '') as {{ type_text(300) }}) as ks_warning,
    {%- for flag in ['quantile_normalized', 'quant_sf_only'] %}
    cast(
        case lower({{ json_text('download', '$.' ~ flag) }}) when 'true' then 1 when 'false' then 0 end
        as {{ type_flag() }}
    ) as {{ flag }}{{ ',' if not loop.last }}
    {%- endfor %}
from documents
