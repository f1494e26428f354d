-- 4004 LOAD_CONSTRAINT_VIOLATION: a slice has a candidate pair twice, has one without the smaller key
-- first, or has a wrong pairs_tested. A screened slice has only some of the pairs tested.

select
    c.disease_key,
    c.technology,
    c.organism,
    c.pair_natural_key,
    'twice' as finding
from {{ ref('tbl_gene_pairs_materialized') }} as c
group by c.disease_key, c.technology, c.organism, c.pair_natural_key
having count(*) > 1
union all
select
    c.disease_key,
    c.technology,
    c.organism,
    c.pair_natural_key,
    'order of keys' as finding
from {{ ref('tbl_gene_pairs_materialized') }} as c
where c.gene_a_key >= c.gene_b_key
union all
select
    c.disease_key,
    c.technology,
    c.organism,
    min(c.pair_natural_key) as pair_natural_key,
    'pairs_tested' as finding
from {{ ref('tbl_gene_pairs_materialized') }} as c
group by c.disease_key, c.technology, c.organism
having
    min(c.pairs_tested) <> max(c.pairs_tested)
    or count(*) > min(c.pairs_tested)
    or (count(*) < min(c.pairs_tested) and max(case when c.pair_source = 'screen' then 1 else 0 end) = 0)
