-- 1. Each pair by the contrast that decides.
with estimates as (
    select
        f.pair_key,
        d.disease_label,
        f.technology,
        f.organism,
        c.contrast,
        f.theta_re,
        f.hk_ci_low,
        f.hk_ci_high,
        f.n_studies,
        f.q_pair,
        p.gene_a_key,
        p.gene_b_key
    from {{ ref('fact_gene_pair_contrast') }} as f
    inner join {{ ref('dim_contrast') }} as c on f.contrast_key = c.contrast_key
    inner join {{ ref('dim_disease') }} as d on f.disease_key = d.disease_key
    inner join {{ ref('dim_gene_pair') }} as p on f.pair_key = p.pair_key
    where f.is_deciding = 1
),

-- 2. Genes with their human orthologues.
orthologues as (
    select
        g.gene_key,
        g.gene_id,
        g.gene_symbol,
        h.gene_key as human_gene_key,
        h.gene_id as human_gene_id,
        h.gene_symbol as human_gene_symbol
    from {{ ref('gene_orthologue') }} as o
    inner join {{ ref('dim_gene') }} as g on o.gene_id = g.gene_id
    inner join {{ ref('dim_gene') }} as h on o.human_gene_id = h.gene_id
)

select
    e.pair_key,
    e.disease_label,
    e.technology,
    e.organism,
    a.gene_id as gene_a_id,
    a.gene_symbol as gene_a_symbol,
    b.gene_id as gene_b_id,
    b.gene_symbol as gene_b_symbol,
    e.contrast,
    e.theta_re as effect,
    e.hk_ci_low as effect_ci_low,
    e.hk_ci_high as effect_ci_high,
    e.n_studies,
    e.q_pair,
    h.pair_key as human_pair_key,
    h.disease_label as human_disease_label,
    h.technology as human_technology,
    a.human_gene_id as human_gene_a_id,
    a.human_gene_symbol as human_gene_a_symbol,
    b.human_gene_id as human_gene_b_id,
    b.human_gene_symbol as human_gene_b_symbol,
    h.contrast as human_contrast,
    h.theta_re as human_effect,
    h.hk_ci_low as human_effect_ci_low,
    h.hk_ci_high as human_effect_ci_high,
    h.n_studies as human_n_studies,
    h.q_pair as human_q_pair,
    cast(
        case
            when sign(e.theta_re) = sign(h.theta_re) then 1
            else 0
        end as {{ type_flag() }}
    ) as is_same_direction
from estimates as e
inner join orthologues as a on e.gene_a_key = a.gene_key
inner join orthologues as b on e.gene_b_key = b.gene_key and a.human_gene_key <> b.human_gene_key
inner join estimates as h
    on
        h.gene_a_key = least(a.human_gene_key, b.human_gene_key)
        and h.gene_b_key = greatest(a.human_gene_key, b.human_gene_key)
        and h.organism = 'HOMO_SAPIENS'
where e.organism <> 'HOMO_SAPIENS'
