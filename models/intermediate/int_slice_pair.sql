select
    i.slice_no,
    p.pair_key,
    p.gene_a_key,
    p.gene_b_key
from {{ ref('int_slice') }} as i
inner join {{ ref('tbl_gene_pairs_materialized') }} as c on {{ same_slice('i', 'c') }}
inner join {{ ref('dim_gene_pair') }} as p on c.pair_natural_key = p.pair_natural_key
