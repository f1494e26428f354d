{{ config(unique_key='gene_id') }}

-- Runs after the source rules, which quarantine batches that violate one.
-- depends_on: {{ ref('int_source_finding') }}
-- Genes of the annotation seed and of batches that are not yet in the fact; the genes of other batches
-- are in this table already.
with gene_ids as (
    select distinct l.gene_id
    from {{ ref('int_gene_line') }} as l
    inner join {{ ref('stg_batch') }} as b on l.batch_id = b.batch_id
    where
        {{ is_selected_study('b.study_accession_code') }}
        {%- if is_incremental() %}
        and b.status in ('STAGED', 'VALIDATED')
        {%- endif %}
    union
    select gene_id from {{ ref('gene_annotation') }}
    {%- if is_incremental() %}
    union
    select gene_id from {{ this }}
    {%- endif %}
),

incoming as (
    select
        cast(i.gene_id as {{ type_code(50) }}) as gene_id,
        cast(nullif(a.gene_symbol, '') as {{ type_code(50) }}) as gene_symbol,
        cast(nullif(a.gene_name, '') as {{ type_text(500) }}) as gene_name,
        cast(nullif(a.gene_type, '') as {{ type_code(50) }}) as gene_type,
        cast(nullif(a.chromosome, '') as {{ type_code(10) }}) as chromosome,
        cast(a.start_position as bigint) as start_position,
        cast(a.end_position as bigint) as end_position
    from gene_ids as i
    left join {{ ref('gene_annotation') }} as a on i.gene_id = a.gene_id
),

{{
    scd1(
        'incoming', key='gene_key', natural_key='gene_id',
        attributes=['gene_symbol', 'gene_name', 'gene_type', 'chromosome', 'start_position', 'end_position']
    )
}}
