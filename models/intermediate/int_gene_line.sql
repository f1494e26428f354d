{{ config(post_hook="{{ count_merged_values() }}") }}

{%- set fact = relation_of_earlier_build('fact', 'fact_gene_expression') %}

-- Batches that this run may load; the first build of the fact loads all batches whose rows are still staged.
with batches as (
    select
        b.batch_id,
        b.study_accession_code,
        s.study_organism as organism,
        case when b.gene_id_form = 'ENTREZ' then 1 else 0 end as is_entrez,
        {{ json_text('b.config_snapshot', '$.duplicate_genes') }} as duplicate_genes
    from {{ ref('stg_batch') }} as b
    left join {{ ref('stg_study') }} as s on b.batch_id = s.batch_id
    where
        b.status in ('STAGED', 'VALIDATED'{% if not fact %}, 'LOADED'{% endif %})
        and {{ is_selected_study('b.study_accession_code') }}
),

-- Each line has a row for each sample: one sample has them all.
first_samples as (
    select
        r.batch_id,
        min(r.sample_accession_code) as sample_accession_code
    from {{ source('staging', 'expression_rows') }} as r
    inner join batches as b on r.batch_id = b.batch_id
    group by r.batch_id
),

matrix_lines as (
    select distinct
        r.batch_id,
        r.line_no,
        r.gene_id as source_gene_id
    from {{ source('staging', 'expression_rows') }} as r
    inner join first_samples as f on r.batch_id = f.batch_id and r.sample_accession_code = f.sample_accession_code
),

ids as (
    select
        l.batch_id,
        l.line_no,
        l.source_gene_id,
        b.organism,
        b.is_entrez
    from matrix_lines as l
    inner join batches as b on l.batch_id = b.batch_id
),

annotated as (
    {{ genes_of_ids('ids') | indent(4) }}
),

resolved as (
    select
        l.batch_id,
        l.line_no,
        l.source_gene_id,
        coalesce(a.gene_id, {{ gene_id('l.source_gene_id') }}) as gene_id,
        case
            when {{ is_ensembl_id('l.source_gene_id') }} then 'ENSEMBL'
            else coalesce(a.resolved_by, 'UNKNOWN')
        end as resolved_by
    from ids as l
    left join annotated as a
        on l.organism = a.organism and l.is_entrez = a.is_entrez and l.source_gene_id = a.source_gene_id
)

select
    r.batch_id,
    b.study_accession_code,
    r.line_no,
    cast(r.source_gene_id as {{ type_code(50) }}) as source_gene_id,
    cast(r.gene_id as {{ type_code(50) }}) as gene_id,
    cast(r.resolved_by as {{ type_code(20) }}) as resolved_by,
    cast(count(*) over (partition by r.batch_id, r.gene_id) as integer) as line_count,
    cast(b.duplicate_genes as {{ type_code(10) }}) as duplicate_genes
from resolved as r
inner join batches as b on r.batch_id = b.batch_id
