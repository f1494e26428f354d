{{ config(unique_key='gene_id', pre_hook="{{ add_gene_columns() }}") }}
{%- set attributes = [
    'gene_symbol', 'gene_name', 'gene_type', 'chromosome', 'start_position', 'end_position', 'strand', 'hgnc_id',
    'entrez_id', 'mgi_id', 'is_retired', 'successor'
] %}

-- Runs after the source rules, which quarantine batches that violate one.
-- depends_on: {{ ref('int_source_finding') }}
-- Genes of batches that are not yet in the fact; the genes of other batches are in this table already.
with gene_ids as (
    select distinct l.gene_id
    from {{ ref('int_gene_line') }} as l
    inner join {{ ref('stg_batch') }} as b on l.batch_id = b.batch_id
    where
        {{ is_selected_study('b.study_accession_code') }}
        {%- if is_incremental() %}
        and b.status in ('STAGED', 'VALIDATED')
    union
    select gene_id from {{ this }}
        {%- endif %}
),

incoming as (
    select
        cast(i.gene_id as {{ type_code(50) }}) as gene_id,
        {%- for attribute in attributes %}
        g.{{ attribute }}{{ ',' if not loop.last }}
        {%- endfor %}
    from gene_ids as i
    left join {{ ref('stg_gene') }} as g on i.gene_id = g.gene_id
),

{{ scd1('incoming', key='gene_key', natural_key='gene_id', attributes=attributes) }}
