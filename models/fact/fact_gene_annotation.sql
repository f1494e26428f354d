{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='append_new_columns',
        as_columnstore=true,
        indexes=table_indexes([{'columns': ['gene_key', 'attribute'], 'type': 'nonclustered'}]),
        **annotation_hooks()
    )
}}

-- If a bulk file changed, the hook has removed all rows, because it can change the gene of another file's
-- ids. Otherwise only the values of new genes are missing.
with genes as {{ materialized() }}(
    select
        g.gene_key,
        g.gene_id
    from {{ ref('dim_gene') }} as g
    {%- if is_incremental() %}
    where not exists (
        select 1
        from {{ this }} as k
        where k.gene_key = g.gene_key
    )
    {%- endif %}
)

select
    g.gene_key,
    cast(v.source as {{ type_code(50) }}) as source,
    cast(v.bulk_file as {{ type_code(50) }}) as bulk_file,
    cast(v.attribute as {{ type_code(50) }}) as attribute,
    cast(v.item as {{ type_text(200) }}) as item,
    cast(v.value as {{ type_text(4000) }}) as value,
    v.number,
    cast(f.version as {{ type_text(100) }}) as file_version,
    cast(f.file_hash as {{ type_code(64) }}) as file_hash,
    cast(s.annotation_id as {{ type_code(64) }}) as annotation_id,
    {{ utc_now() }} as etl_created_date
from {{ ref('stg_annotation_value') }} as v
inner join genes as g on v.gene_id = g.gene_id
inner join {{ source('staging', 'annotation_file') }} as f on v.bulk_file = f.bulk_file
cross join {{ ref('stg_annotation_state') }} as s
where v.is_first_reference = 1
