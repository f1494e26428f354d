{{ config(materialized='table') }}

-- A bulk file of mice names the human gene by its id at HGNC or Entrez, as the item or the value.
with stated as (
    select distinct
        v.gene_id,
        case when v.item <> '' then v.item else v.value end as human_ref
    from {{ ref('stg_annotation_value') }} as v
    where v.attribute = 'human_orthologue' and v.organism <> 'HOMO_SAPIENS'
)

select distinct
    cast(s.gene_id as {{ type_code(50) }}) as gene_id,
    cast(r.gene_id as {{ type_code(50) }}) as human_gene_id
from stated as s
inner join {{ ref('stg_gene_reference') }} as r on s.human_ref = r.gene_ref
where r.organism = 'HOMO_SAPIENS' and r.id_type = case when s.human_ref like 'HGNC:%' then 'HGNC' else 'ENTREZ' end
