{%- set q_z = q_star('m') -%}
{%- set q_dependent = "least(coalesce(m.q_combined_dependent, 1e0), coalesce(m.q_ss, 1e0), coalesce(m.q_soth, 1e0))" -%}
{%- set q_hk = "least(coalesce(m.q_ss_hk, 1e0), coalesce(m.q_soth_hk, 1e0))" -%}

with settings as (
    select
        {{ session_text('disease', 'SEPSIS') }} as disease_label,
        {{ session_text('q_basis', 'z') }} as q_basis,
        {{ session_number('q', 0.05) }} as q_max,
        {{ session_number('k_min', 3) }} as k_min,
        {{ session_number('i2_max', 75) }} as i2_max
),

scored as (
    select
        m.*,
        d.disease_label,
        case s.q_basis
            when 'z' then {{ q_z }}
            when 'dependent' then {{ q_dependent }}
            when 'hk' then {{ q_hk }}
            {#- A mistyped setting fails on both engines, with this text in the message. #}
            else cast(concat('54030 CONFIG_INVALID: q_basis is ', s.q_basis, '; set z, dependent or hk') as integer)
        end as q_star,
        {{ i2_star('m') }} as i2_star,
        s.q_max,
        s.i2_max
    from {{ ref('fact_gene_pair_metrics') }} as m
    inner join {{ ref('dim_disease') }} as d on m.disease_key = d.disease_key
    inner join settings as s on d.disease_label = s.disease_label
    where m.metrics_scope = 'META_STUDIES' and m.included_study_count >= s.k_min
)

select
    cast(row_number() over (
        partition by m.technology
        order by
            m.q_star, coalesce(m.new_rank_score, -1e0) desc, m.power_score desc, m.i2_star, m.kappa_ss desc, abs(m.combined_effect_size) desc, m.pair_key
    ) as integer) as pair_rank,
    m.q_star,
    m.i2_star,
    m.pair_key,
    m.metrics_scope,
    m.metrics_source,
    m.disease_key,
    m.disease_label,
    m.technology,
    a.gene_id as gene_a_id,
    p.gene_a_symbol,
    b.gene_id as gene_b_id,
    p.gene_b_symbol,
    {%- for metric in pair_metric_names() %}
    m.{{ metric }},
    {%- endfor %}
    {%- for score in pair_score_names() %}
    m.{{ score }},
    {%- endfor %}
    m.rank_run_id,
    m.feature_run_id,
    m.batch_id,
    m.etl_created_date
from scored as m
inner join {{ ref('dim_gene_pair') }} as p on m.pair_key = p.pair_key
inner join {{ ref('dim_gene') }} as a on p.gene_a_key = a.gene_key
inner join {{ ref('dim_gene') }} as b on p.gene_b_key = b.gene_key
where m.q_star <= m.q_max and m.i2_star <= m.i2_max
