-- 4004 LOAD_CONSTRAINT_VIOLATION: a slice has a gene pair twice in the fact.

select
    pair_key,
    metrics_scope,
    disease_key,
    technology,
    organism,
    count(*) as row_count
from {{ ref('fact_gene_pair_metrics') }}
group by pair_key, metrics_scope, disease_key, technology, organism
having count(*) > 1
