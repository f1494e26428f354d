select
    v.bulk_file,
    r.source,
    r.organism,
    r.priority,
    r.gene_id,
    v.id_type,
    v.gene_ref,
    r.is_first_reference,
    v.attribute,
    v.item,
    v.value,
    v.number
from {{ source('staging', 'annotation_value') }} as v
inner join {{ ref('stg_annotation_reference') }} as r
    on v.bulk_file = r.bulk_file and v.id_type = r.id_type and v.gene_ref = r.gene_ref
