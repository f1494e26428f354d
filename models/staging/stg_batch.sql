with registered as (
    select
        batch_id,
        study_accession_code,
        file_name,
        file_hash,
        created_at,
        staged_at,
        gene_count,
        sample_count,
        null_count,
        zero_count,
        value_min,
        value_max,
        is_whole_numbers,
        1e0 * above_30_count / nullif(gene_count * sample_count - null_count - zero_count, 0) as share_above_30,
        dropped_count,
        merged_count,
        gene_id_form,
        status,
        config_snapshot,
        {{ json_text('config_snapshot', '$.units') }} as configured_unit_tag,
        {{ recency_of_batch() }} as recency
    from {{ source('staging', 'batch') }}
    where status in ('STAGED', 'VALIDATED', 'LOADED', 'PURGED')
)

select
    batch_id,
    study_accession_code,
    file_name,
    file_hash,
    created_at,
    staged_at,
    gene_count,
    sample_count,
    null_count,
    zero_count,
    value_min,
    value_max,
    is_whole_numbers,
    share_above_30,
    dropped_count,
    merged_count,
    gene_id_form,
    status,
    config_snapshot,
    configured_unit_tag
from registered
where recency = 1
