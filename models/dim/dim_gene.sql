{{ config(unique_key='gene_id', pre_hook="{{ in_later_builds(add_gene_columns(this)) }}") }}
{%- set annotated = [
    'gene_name', 'gene_type', 'chromosome', 'start_position', 'end_position', 'strand', 'hgnc_id',
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

-- Symbols that matrices have beside their ids; the first study decides.
hints as (
    select
        l.gene_id,
        h.gene_symbol,
        row_number() over (partition by l.gene_id order by l.study_accession_code, l.line_no) as hint_no
    from {{ ref('int_gene_line') }} as l
    inner join {{ source('staging', 'symbol_hint') }} as h on l.batch_id = h.batch_id and l.line_no = h.line_no
),

named as (
    select
        i.gene_id,
        g.gene_symbol as annotated_symbol,
        {%- if is_incremental() %}
        coalesce(case when e.symbol_source = 'STUDY' then e.gene_symbol end, h.gene_symbol) as study_symbol
        {%- else %}
        h.gene_symbol as study_symbol
        {%- endif %}
    from gene_ids as i
    left join {{ ref('stg_gene') }} as g on i.gene_id = g.gene_id
    left join hints as h on i.gene_id = h.gene_id and h.hint_no = 1
    {%- if is_incremental() %}
    left join {{ this }} as e on i.gene_id = e.gene_id
    {%- endif %}
),

incoming as (
    select
        cast(n.gene_id as {{ type_code(50) }}) as gene_id,
        cast(coalesce(n.annotated_symbol, n.study_symbol) as {{ type_code(50) }}) as gene_symbol,
        cast(
            case when n.annotated_symbol is not null then 'ANNOTATION' when n.study_symbol is not null then 'STUDY' end
            as {{ type_code(20) }}
        ) as symbol_source
        {%- for attribute in annotated %},
        g.{{ attribute }}
        {%- endfor %}
    from named as n
    left join {{ ref('stg_gene') }} as g on n.gene_id = g.gene_id
),

{{
    scd1(
        'incoming', key='gene_key', natural_key='gene_id',
        attributes=['gene_symbol', 'symbol_source'] + annotated
    )
}}
