{{ config(materialized='incremental', incremental_strategy='append', on_schema_change='append_new_columns', **annotation_hooks()) }}

with refs as (
    select distinct
        v.bulk_file,
        v.id_type,
        v.gene_ref
    from {{ source('staging', 'annotation_value') }} as v
)

select
    cast(v.bulk_file as {{ type_code(50) }}) as bulk_file,
    cast(v.id_type as {{ type_code(20) }}) as id_type,
    cast(v.gene_ref as {{ type_code(50) }}) as gene_ref,
    cast(f.source as {{ type_code(50) }}) as source,
    cast(f.organism as {{ type_code(100) }}) as organism,
    cast(f.priority as integer) as priority,
    cast(coalesce(r.gene_id, v.gene_ref) as {{ type_code(50) }}) as gene_id,
    cast(
        case
            when
                row_number() over (
                    partition by v.bulk_file, coalesce(r.gene_id, v.gene_ref)
                    order by case when v.id_type = 'ENSEMBL' then 0 else 1 end, v.id_type, coalesce(r.ref_order, 0)
                ) = 1
                then 1
            else 0
        end as {{ type_flag() }}
    ) as is_first_reference,
    cast(s.annotation_id as {{ type_code(64) }}) as annotation_id
from refs as v
inner join {{ ref('annotation_file') }} as f on v.bulk_file = f.bulk_file
cross join {{ ref('stg_annotation_state') }} as s
left join {{ ref('stg_gene_reference') }} as r
    on f.organism = r.organism and v.id_type = r.id_type and v.gene_ref = r.gene_ref
where
    (v.id_type = 'ENSEMBL' or r.gene_id is not null)
    {{ and_annotation_is_new() }}
