{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='append_new_columns',
        full_refresh=false,
        pre_hook="{{ in_later_builds(remove_resolved_again(this)) }}"
    )
}}

select
    l.batch_id,
    l.line_no,
    l.source_gene_id,
    l.gene_id,
    l.resolved_by,
    cast(s.annotation_id as {{ type_code(64) }}) as annotation_id,
    {{ utc_now() }} as etl_created_date
from {{ ref('int_gene_line') }} as l
cross join {{ ref('stg_annotation_state') }} as s
where l.resolved_by <> 'ENSEMBL'
