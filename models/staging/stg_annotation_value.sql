-- 1. The gene of each reference of a file.
with refs as (
    select distinct
        v.bulk_file,
        v.id_type,
        v.gene_ref
    from {{ source('staging', 'annotation_value') }} as v
),

of_genes as (
    select
        v.bulk_file,
        v.id_type,
        v.gene_ref,
        f.source,
        f.organism,
        f.priority,
        coalesce(r.gene_id, v.gene_ref) as gene_id,
        row_number() over (
            partition by v.bulk_file, coalesce(r.gene_id, v.gene_ref)
            order by case when v.id_type = 'ENSEMBL' then 0 else 1 end, v.id_type, coalesce(r.ref_order, 0)
        ) as ref_order
    from refs as v
    inner join {{ ref('annotation_file') }} as f on v.bulk_file = f.bulk_file
    left join {{ ref('stg_gene_reference') }} as r
        on f.organism = r.organism and v.id_type = r.id_type and v.gene_ref = r.gene_ref
    where v.id_type = 'ENSEMBL' or r.gene_id is not null
)

-- 2. Of several references to one gene, the first gives the values of a file.
select
    v.bulk_file,
    g.source,
    g.organism,
    g.priority,
    g.gene_id,
    v.id_type,
    v.gene_ref,
    cast(case when g.ref_order = 1 then 1 else 0 end as {{ type_flag() }}) as is_first_reference,
    v.attribute,
    v.item,
    v.value,
    v.number
from {{ source('staging', 'annotation_value') }} as v
inner join of_genes as g on v.bulk_file = g.bulk_file and v.id_type = g.id_type and v.gene_ref = g.gene_ref
