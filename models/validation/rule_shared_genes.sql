{%- set share_min = var('shared_gene_share_min') -%}

-- The genes of each study, as their features name them.
with study_genes as (
    select
        s.disease_key,
        s.technology,
        s.organism,
        s.study_key,
        s.batch_id,
        f.entity_id_1 as gene_key
    from {{ ref('stg_slice_study') }} as s
    inner join {{ ref('fact_feature_values') }} as f on s.study_key = f.study_key and s.batch_id = f.batch_id
    where f.entity_scope = 'GENE' and f.feature_name = 'gene_missing_share'
),

gene_studies as (
    select
        disease_key,
        technology,
        organism,
        gene_key,
        count(*) as study_count
    from study_genes
    group by disease_key, technology, organism, gene_key
),

study_overlap as (
    select
        g.disease_key,
        g.technology,
        g.organism,
        g.study_key,
        g.batch_id,
        count(*) as gene_count,
        sum(case when n.study_count > 1 then 1 else 0 end) as shared_count
    from study_genes as g
    inner join gene_studies as n
        on {{ same_slice('g', 'n') }} and g.gene_key = n.gene_key
    group by g.disease_key, g.technology, g.organism, g.study_key, g.batch_id
),

-- A slice of one study shares nothing with anyone.
slice_sizes as (
    select
        disease_key,
        technology,
        organism,
        count(*) as study_count
    from study_overlap
    group by disease_key, technology, organism
)

select
    'STUDY_GENES_UNSHARED' as validation_code,
    o.batch_id,
    t.study_accession_code,
    concat(d.disease_label, ' ', o.technology, ' ', o.organism) as subject,
    concat(
        o.shared_count, ' of its ', o.gene_count, ' genes are in another of the ', z.study_count,
        ' studies; its gene ids are ', coalesce(b.gene_id_form, 'of an unknown form')
    ) as finding
from study_overlap as o
inner join slice_sizes as z on {{ same_slice('o', 'z') }}
inner join {{ ref('dim_disease') }} as d on o.disease_key = d.disease_key
inner join {{ ref('dim_study') }} as t on o.study_key = t.study_key
left join {{ source('staging', 'batch') }} as b on o.batch_id = b.batch_id
where
    z.study_count > 1
    and o.shared_count < {{ share_min }}e0 * o.gene_count
    and {{ is_selected_study('t.study_accession_code') }}
