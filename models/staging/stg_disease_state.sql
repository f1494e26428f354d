-- A contrast's description decides nothing.
with contrasts as (
    select
        d.disease_key,
        {{ sorted_list("concat(c.contrast, ':', c.case_labels, ':', c.reference_labels, ':', cast(c.is_primary as integer))") }} as definitions
    from {{ ref('stg_contrast') }} as c
    inner join {{ ref('dim_disease') }} as d on c.disease_label = d.disease_label
    group by d.disease_key
),

-- Genes that are tested whatever their variability.
watched_genes as (
    select distinct
        disease_key,
        gene_id
    from {{ ref('stg_watched_gene') }}
    where gene_id is not null
),

watched as (
    select
        disease_key,
        {{ sorted_list('gene_id') }} as genes
    from watched_genes
    group by disease_key
),

-- What decides whether a gene is expressed.
floors as (
    select {{ sorted_list("concat(u.unit_tag, ':', u.detection_floor, ':', u.value_resolution)") }} as floors
    from {{ ref('unit') }} as u
)

select
    d.disease_key,
    concat(c.definitions, ' ', w.genes, ' ', f.floors) as state
from {{ ref('dim_disease') }} as d
cross join floors as f
left join contrasts as c on d.disease_key = c.disease_key
left join watched as w on d.disease_key = w.disease_key
