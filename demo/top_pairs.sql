-- Every pair of genes of the studies $accessions: its Spearman correlation in septic shock and in
-- sepsis, pooled over studies, and its place by how much the two differ.
--
-- A value's rank is its place among all values of its gene, also where the other gene of a pair
-- has none in that sample: with few missing values that is near enough for a demonstration.

with measured as (
    select
        study_key,
        illness_label,
        sample_key,
        gene_key,
        gene_id,
        coalesce(gene_symbol, gene_id) as gene_name,
        expression_value
    from vw_expression_long
    where
        study_accession_code in (select unnest($accessions))
        and illness_label in ('SEPTIC_SHOCK', 'SEPSIS')
        and not exclude_from_analysis
),

ranked as (
    select
        study_key,
        illness_label,
        sample_key,
        gene_key,
        -- Ties get the mean of their places: the first is rank(), the last is the count.
        (rank() over by_value + count(*) over by_value) / 2.0 as value_rank
    from measured
    window by_value as (
        partition by study_key, illness_label, gene_key
        order by expression_value
    )
),

correlations as (
    select
        a.illness_label,
        a.gene_key as gene_key_1,
        b.gene_key as gene_key_2,
        count(*) - 3 as weight,
        corr(a.value_rank, b.value_rank) as r
    from ranked as a
    inner join ranked as b on a.sample_key = b.sample_key and a.gene_key < b.gene_key
    group by a.study_key, a.illness_label, a.gene_key, b.gene_key
    having count(*) > 3
),

-- Fisher z has the variance 1 / (n - 3), hence the weight. A gene that does not vary has no r.
pooled as (
    select
        gene_key_1,
        gene_key_2,
        illness_label,
        sum(weight * atanh(greatest(-1 + 1e-12, least(1 - 1e-12, r)))) / sum(weight) as z
    from correlations
    where not isnan(r)
    group by gene_key_1, gene_key_2, illness_label
),

genes as (
    select distinct
        gene_key,
        gene_id,
        gene_name
    from measured
)

select
    g1.gene_id as gene_id_1,
    g2.gene_id as gene_id_2,
    g1.gene_name as gene_name_1,
    g2.gene_name as gene_name_2,
    tanh(shock.z) as r_septic_shock,
    tanh(sepsis.z) as r_sepsis,
    shock.z - sepsis.z as z_difference,
    row_number() over (
        order by abs(shock.z - sepsis.z) desc, g1.gene_id, g2.gene_id
    ) as place
from pooled as shock
inner join pooled as sepsis
    on shock.gene_key_1 = sepsis.gene_key_1 and shock.gene_key_2 = sepsis.gene_key_2
inner join genes as g1 on shock.gene_key_1 = g1.gene_key
inner join genes as g2 on shock.gene_key_2 = g2.gene_key
where shock.illness_label = 'SEPTIC_SHOCK' and sepsis.illness_label = 'SEPSIS'
order by place
