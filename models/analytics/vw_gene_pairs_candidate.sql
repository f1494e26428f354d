select
    p.pair_key,
    c.disease_key,
    d.disease_label,
    c.technology,
    c.organism,
    c.pair_natural_key,
    c.gene_a_key,
    ga.gene_id as gene_a_id,
    ga.gene_symbol as gene_a_symbol,
    c.gene_b_key,
    gb.gene_id as gene_b_id,
    gb.gene_symbol as gene_b_symbol,
    c.pair_source,
    c.pairs_tested
from {{ ref('tbl_gene_pairs_materialized') }} as c
inner join {{ ref('dim_gene_pair') }} as p on c.pair_natural_key = p.pair_natural_key
inner join {{ ref('dim_disease') }} as d on c.disease_key = d.disease_key
inner join {{ ref('dim_gene') }} as ga on c.gene_a_key = ga.gene_key
inner join {{ ref('dim_gene') }} as gb on c.gene_b_key = gb.gene_key
