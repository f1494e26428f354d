{{ config(unique_key='pair_natural_key') }}

with pairs as (
    select
        pair_natural_key,
        gene_a_key,
        gene_b_key
    from {{ ref('tbl_gene_pairs_materialized') }}
    union
    select
        pair_natural_key,
        gene_a_key,
        gene_b_key
    from {{ ref('stg_pair_metrics') }}
    {%- if is_incremental() %}
    union
    select
        pair_natural_key,
        gene_a_key,
        gene_b_key
    from {{ this }}
    {%- endif %}
),

incoming as (
    select
        p.pair_natural_key,
        p.gene_a_key,
        p.gene_b_key,
        a.gene_symbol as gene_a_symbol,
        b.gene_symbol as gene_b_symbol
    from pairs as p
    inner join {{ ref('dim_gene') }} as a on p.gene_a_key = a.gene_key
    inner join {{ ref('dim_gene') }} as b on p.gene_b_key = b.gene_key
),

{{
    scd1(
        'incoming', key='pair_key', natural_key='pair_natural_key',
        attributes=['gene_a_key', 'gene_b_key', 'gene_a_symbol', 'gene_b_symbol']
    )
}}
