select
    run_id,
    batch_id,
    study_key,
    {{ json_text('details', '$.study_accession') }} as study_accession_code,
    validation_code,
    cast({{ json_text('details', '$.error_code') }} as integer) as error_code,
    severity,
    {{ json_text('details', '$.subject') }} as subject,
    {{ json_text('details', '$.finding') }} as finding,
    cast({{ json_text('details', '$.finding_count') }} as bigint) as finding_count,
    {{ json_text('details', '$.found_in') }} as found_in,
    {{ json_text('details', '$.file') }} as file_name,
    cast({{ json_text('details', '$.line') }} as bigint) as line_no,
    {{ json_text('details', '$.action') }} as what_to_do,
    created_at
from {{ source('meta', 'meta_data_validation_log') }}
