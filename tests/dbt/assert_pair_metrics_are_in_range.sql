-- 4004 LOAD_CONSTRAINT_VIOLATION: a value of the fact is outside the range that its definition allows,
-- or a false discovery rate is below its p.
{{ config(severity='error') }}

{%- set probabilities = ['p_ss', 'p_ss_hk', 'q_ss', 'q_ss_hk', 'p_soth', 'p_soth_hk', 'q_soth', 'q_soth_hk', 'dz_ss_q_p', 'dz_soth_q_p', 'combined_p_value', 'q_combined', 'combined_p_dependent', 'q_combined_dependent', 'p_value_control', 'p_value_no_sepsis', 'p_value_sepsis', 'p_value_septic_shock', 'p_diff_septic_shock_sepsis', 'p_diff_septic_shock_control', 'p_diff_sepsis_control'] %}
{%- set shares = ['kappa_ss', 'kappa_soth', 'power_score', 'direction_consistency', 'magnitude_consistency', 'consistency_score'] %}
{%- set correlations = ['r_control', 'r_no_sepsis', 'r_sepsis', 'r_septic_shock'] %}
{%- set standard_errors = ['dz_ss_se', 'dz_soth_se', 'se_r_control', 'se_r_no_sepsis', 'se_r_sepsis', 'se_r_septic_shock'] %}
{%- set percentages = ['dz_ss_i2', 'dz_soth_i2', 'i2_control', 'i2_no_sepsis', 'i2_sepsis', 'i2_septic_shock'] %}
{%- set rates = {'q_ss': 'p_ss', 'q_soth': 'p_soth', 'q_combined': 'combined_p_value', 'q_combined_dependent': 'combined_p_dependent', 'q_ss_hk': 'p_ss_hk', 'q_soth_hk': 'p_soth_hk'} %}

select
    pair_key,
    disease_key,
    technology
from {{ ref('fact_gene_pair_metrics') }}
where
    1 = 0
    {%- for column in probabilities %}
    or {{ column }} < 0e0 or {{ column }} > 1e0
    {%- endfor %}
    {%- for column in shares %}
    or {{ column }} < 0e0 or {{ column }} > 1.000000000001e0
    {%- endfor %}
    {%- for column in correlations %}
    or {{ column }} < -1e0 or {{ column }} > 1e0
    {%- endfor %}
    {%- for column in standard_errors %}
    or {{ column }} <= 0e0
    {%- endfor %}
    {%- for column in percentages %}
    or {{ column }} < 0e0 or {{ column }} >= 1e2
    {%- endfor %}
    {%- for q, p in rates.items() %}
    or {{ q }} < {{ p }}
    {%- endfor %}
    {%- for contrast in ['dz_ss', 'dz_soth'] %}
    or {{ contrast }}_tau2 < 0e0
    or {{ contrast }}_ci_low > {{ contrast }}_mean
    or {{ contrast }}_mean > {{ contrast }}_ci_high
    or {{ contrast }}_loo_min > {{ contrast }}_loo_max
    {%- endfor %}
