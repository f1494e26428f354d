-- 4004 LOAD_CONSTRAINT_VIOLATION: a value of the fact is outside the range that its definition allows,
-- or a false discovery rate is below its p.

{%- set standard_errors = ['dz_ss_se', 'dz_soth_se', 'se_r_control', 'se_r_no_sepsis', 'se_r_sepsis', 'se_r_septic_shock'] %}
{%- set percentages = ['dz_ss_i2', 'dz_soth_i2', 'i2_control', 'i2_no_sepsis', 'i2_sepsis', 'i2_septic_shock'] %}
{%- set rates = {'q_ss': 'p_ss', 'q_soth': 'p_soth', 'q_combined': 'combined_p_value', 'q_combined_dependent': 'combined_p_dependent', 'q_ss_hk': 'p_ss_hk', 'q_soth_hk': 'p_soth_hk'} %}

select
    pair_key,
    disease_key,
    technology,
    organism
from {{ ref('fact_gene_pair_metrics') }}
where
    1 = 0
    {%- for name, type, least, greatest in words_of(pair_metric_columns()) %}
    {%- if least != '-' %}
    or {{ name }} < {{ least }}e0
    {%- endif %}
    {%- if greatest != '-' %}
    or {{ name }} > {{ greatest }}e0
    {%- endif %}
    {%- endfor %}
    {%- for lower, upper in words_of(pair_metric_orders()) %}
    or {{ lower }} > {{ upper }}
    {%- endfor %}
    -- Only computed rows: files from other programs are rounded, and may use other rates (Storey's q can be
    -- below its p).
    or (
        metrics_source = 'AGGREGATOR'
        and (
            1 = 0
            {%- for column in standard_errors %}
            or {{ column }} <= 0e0
            {%- endfor %}
            {%- for column in percentages %}
            or {{ column }} >= 1e2
            {%- endfor %}
            {%- for q, p in rates.items() %}
            or {{ q }} < {{ p }}
            {%- endfor %}
        )
    )
