{%- set attributes = [
    'cytoband', 'locus_type', 'pli', 'loeuf', 'phenotype', 'pathogenic_alleles', 'uniprot_accession',
    'publication_count', 'mane_select'
] %}

-- 1. Of several files with the same attribute, the one with the lowest priority number.
with in_order as (
    select
        a.gene_key,
        a.attribute,
        case when a.item <> '' then a.item else a.value end as value,
        a.number,
        row_number() over (partition by a.gene_key, a.attribute order by f.priority, a.item) as choice,
        count(*) over (partition by a.gene_key, a.attribute) as value_count
    from {{ ref('fact_gene_annotation') }} as a
    inner join {{ ref('annotation_file') }} as f on a.bulk_file = f.bulk_file
    where a.attribute in ('{{ attributes | join("', '") }}')
),

described as (
    select
        o.gene_key,
        max(case when o.attribute = 'cytoband' then o.value end) as cytoband,
        max(case when o.attribute = 'locus_type' then o.value end) as locus_type,
        max(case when o.attribute = 'pli' then o.number end) as pli,
        max(case when o.attribute = 'loeuf' then o.number end) as loeuf,
        max(case when o.attribute = 'phenotype' then o.value_count end) as phenotype_count,
        max(case when o.attribute = 'pathogenic_alleles' then o.number end) as pathogenic_alleles,
        max(case when o.attribute = 'uniprot_accession' then o.value end) as uniprot_accession,
        max(case when o.attribute = 'publication_count' then o.number end) as publication_count,
        max(case when o.attribute = 'mane_select' then o.value end) as mane_select
    from in_order as o
    where o.choice = 1
    group by o.gene_key
),

-- 2. The tissue with the highest median.
tissues as (
    select
        a.gene_key,
        a.item,
        a.number,
        row_number() over (partition by a.gene_key order by a.number desc, a.item) as tissue_order
    from {{ ref('fact_gene_annotation') }} as a
    where a.attribute = 'median_tpm' and a.number > 0
),

orthologues as (
    select
        o.gene_id,
        {{ sorted_list('coalesce(h.gene_symbol, o.human_gene_id)') }} as symbols
    from {{ ref('gene_orthologue') }} as o
    left join {{ ref('stg_gene') }} as h on o.human_gene_id = h.gene_id
    group by o.gene_id
)

select
    g.gene_key,
    g.gene_id,
    g.gene_symbol,
    g.gene_name,
    g.gene_type,
    d.locus_type,
    cast(
        case
            when g.chromosome is not null
                then concat(g.chromosome, ':', g.start_position, '-', g.end_position, ':', g.strand)
        end as {{ type_code(100) }}
    ) as location,
    d.cytoband,
    g.is_retired,
    g.successor,
    g.hgnc_id,
    g.entrez_id,
    g.mgi_id,
    cast(d.uniprot_accession as {{ type_code(50) }}) as uniprot_accession,
    d.mane_select,
    d.pli,
    d.loeuf,
    t.item as top_tissue,
    t.number as top_tissue_tpm,
    cast(d.phenotype_count as integer) as phenotype_count,
    cast(d.pathogenic_alleles as integer) as pathogenic_alleles,
    cast(d.publication_count as integer) as publication_count,
    cast(o.symbols as {{ type_text() }}) as human_orthologues
from {{ ref('dim_gene') }} as g
left join described as d on g.gene_key = d.gene_key
left join tissues as t on g.gene_key = t.gene_key and t.tissue_order = 1
left join orthologues as o on g.gene_id = o.gene_id
