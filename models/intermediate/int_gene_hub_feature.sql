{%- set gene = slice_columns() + ['batch_id', 'gene_key'] -%}

-- Each pair twice: once from the side of either gene.
with sides as (
    {%- for side in ['a', 'b'] %}
    {{- '\n    union all' if not loop.first }}
    select
        s.disease_key,
        s.technology,
        s.organism,
        s.batch_id,
        p.gene_{{ side }}_key as gene_key,
        m.r_septic_shock,
        m.dz_ss_mean,
        m.q_ss
    from {{ ref('int_feature_slice') }} as s
    inner join {{ ref('fact_gene_pair_metrics') }} as m on {{ same_slice('s', 'm') }}
    inner join {{ ref('dim_gene_pair') }} as p on m.pair_key = p.pair_key
    {%- endfor %}
)

select
    {{ group_columns(gene, 's') }},
    cast(count(s.r_septic_shock) as integer) as r_pair_count,
    cast(count(s.dz_ss_mean) as integer) as dz_pair_count,
    cast(count(*) as float(53)) as gene_pair_count,
    avg(abs(s.r_septic_shock)) as gene_mean_abs_r_septic_shock,
    avg(abs(s.dz_ss_mean)) as gene_mean_abs_dz_ss,
    cast(sum(case when s.q_ss <= 0.05e0 then 1 else 0 end) as float(53)) as gene_significant_pair_count
from sides as s
group by {{ group_columns(gene, 's') }}
