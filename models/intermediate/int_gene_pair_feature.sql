with pairs as (
    select
        s.disease_key,
        s.technology,
        s.organism,
        s.batch_id,
        m.pair_key,
        p.gene_a_key,
        p.gene_b_key,
        m.r_sepsis,
        m.r_septic_shock,
        m.dz_ss_mean
    from {{ ref('int_feature_slice') }} as s
    inner join {{ ref('fact_gene_pair_metrics') }} as m on {{ same_slice('s', 'm') }}
    inner join {{ ref('dim_gene_pair') }} as p on m.pair_key = p.pair_key
),

-- 1. Each pair from the side of either gene, with the mean and spread of that gene's pairs, and the
-- pair's rank among them.
sides as (
    {%- for side in ['a', 'b'] %}
    {{- '\n    union all' if not loop.first }}
    select
        disease_key,
        technology,
        organism,
        pair_key,
        '{{ side }}' as side,
        gene_{{ side }}_key as gene_key,
        -- Pairs whose values differ only by rounding share a rank.
        round(abs(r_sepsis), 12) as r_sepsis,
        round(abs(r_septic_shock), 12) as r_septic_shock,
        abs(dz_ss_mean) as dz_ss
    from pairs
    {%- endfor %}
),

{%- set gene = 'partition by s.disease_key, s.technology, s.organism, s.gene_key' %}
seen_from_gene as (
    select
        s.disease_key,
        s.technology,
        s.organism,
        s.pair_key,
        s.side,
        -- A missing r gets the last ranks, which no step reads.
        rank() over ({{ gene }} order by coalesce(s.r_sepsis, -1e0) desc) as place_sepsis,
        rank() over ({{ gene }} order by coalesce(s.r_septic_shock, -1e0) desc) as place_septic_shock,
        avg(s.r_septic_shock) over ({{ gene }}) as mean_r,
        avg(s.dz_ss) over ({{ gene }}) as mean_dz,
        {{ stddev('s.dz_ss') }} over ({{ gene }}) as sd_dz
    from sides as s
),

slice_means as (
    select
        disease_key,
        technology,
        organism,
        avg(abs(r_septic_shock)) as mean_r
    from pairs
    group by disease_key, technology, organism
),

-- 2. How strongly each gene is expressed: its mean percentile rank among the genes of each study.
study_levels as (
    select
        m.disease_key,
        m.technology,
        m.organism,
        f.study_key,
        f.gene_key,
        avg(f.expression_value) as mean_expression
    from {{ ref('int_feature_slice') }} as s
    inner join {{ ref('stg_slice_study') }} as m on {{ same_slice('s', 'm') }}
    inner join {{ ref('fact_gene_expression') }} as f on m.study_key = f.study_key and m.batch_id = f.batch_id
    inner join {{ ref('dim_sample') }} as d on f.sample_key = d.sample_key
    where d.exclude_from_analysis = 0 and f.expression_value is not null
    group by m.disease_key, m.technology, m.organism, f.study_key, f.gene_key
),

levels as (
    select
        l.disease_key,
        l.technology,
        l.organism,
        l.gene_key,
        avg(l.percentile) as percentile
    from (
        select
            disease_key,
            technology,
            organism,
            gene_key,
            percent_rank() over (partition by disease_key, technology, organism, study_key order by round(mean_expression, 9)) as percentile
        from study_levels
    ) as l
    group by l.disease_key, l.technology, l.organism, l.gene_key
),

-- 3. One row per pair.
assembled as (
    select
        p.*,
        case when p.r_sepsis is not null then {{ mutual_rank('a.place_sepsis', 'b.place_sepsis') }} end as mutual_rank_sepsis,
        case when p.r_septic_shock is not null then {{ mutual_rank('a.place_septic_shock', 'b.place_septic_shock') }} end as mutual_rank_septic_shock,
        {{ context_likelihood('abs(p.dz_ss_mean)', 'a.mean_dz', 'a.sd_dz', 'b.mean_dz', 'b.sd_dz') }} as clr_dz_ss,
        {{ average_product_correction('abs(p.r_septic_shock)', 'a.mean_r', 'b.mean_r', 's.mean_r') }} as apc_r_septic_shock,
        la.percentile as percentile_a,
        lb.percentile as percentile_b
    from pairs as p
    inner join seen_from_gene as a on {{ same_slice('p', 'a') }} and p.pair_key = a.pair_key and a.side = 'a'
    inner join seen_from_gene as b on {{ same_slice('p', 'b') }} and p.pair_key = b.pair_key and b.side = 'b'
    inner join slice_means as s on {{ same_slice('p', 's') }}
    left join levels as la on {{ same_slice('p', 'la') }} and p.gene_a_key = la.gene_key
    left join levels as lb on {{ same_slice('p', 'lb') }} and p.gene_b_key = lb.gene_key
)

select
    disease_key,
    technology,
    organism,
    batch_id,
    pair_key,
    gene_a_key,
    gene_b_key,
    r_sepsis,
    r_septic_shock,
    dz_ss_mean,
    cast(percentile_a as float(53)) as percentile_a,
    cast(percentile_b as float(53)) as percentile_b,
    mutual_rank_sepsis,
    mutual_rank_septic_shock,
    {{ log2('(mutual_rank_sepsis / mutual_rank_septic_shock)') }} as mutual_rank_log_ratio,
    clr_dz_ss,
    apc_r_septic_shock,
    cast(abs(percentile_a - percentile_b) as float(53)) as expression_percentile_difference
from assembled
