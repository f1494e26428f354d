-- 4004 LOAD_CONSTRAINT_VIOLATION: a value of a long fact is outside the range that its definition allows, a
-- false discovery rate is below its p, or a contrast has a rate that is not eligible.

{%- set pair = slice_columns() + ['pair_key'] %}
{%- set rates = {'q': 'p', 'q_hk': 'p_hk', 'q_hk_adhoc': 'p_hk_adhoc', 'q_pair': 'p_pair'} %}
{%- set orders = [('ci_low', 'theta_re'), ('theta_re', 'ci_high'), ('hk_ci_low', 'hk_ci_high'), ('pi_low', 'pi_high'), ('loo_min', 'loo_max'), ('se_re', 'hk_adhoc_se'), ('hk_se', 'hk_adhoc_se')] %}
{%- set facts = {'fact_gene_pair_contrast': pair_contrast_columns(), 'fact_gene_pair_cohort': pair_cohort_columns()} %}
{%- for fact, columns in facts.items() %}
{{ 'union all' if not loop.first }}
select
    {{ group_columns(pair, 'c') }},
    '{{ fact }}' as fact
from {{ ref(fact) }} as c
where
    c.se_re <= 0e0
    or c.i2 >= 1e2
    {%- for name, type, least, greatest, source in words_of(columns) %}
    {%- if least != '-' %}
    or c.{{ name }} < {{ least }}{{ 'e0' if type != 'integer' }}
    {%- endif %}
    {%- if greatest != '-' %}
    or c.{{ name }} > {{ greatest }}{{ 'e0' if type != 'integer' }}
    {%- endif %}
    {%- endfor %}
    {%- if fact == 'fact_gene_pair_contrast' %}
    {%- for lower, upper in orders %}
    or c.{{ lower }} > c.{{ upper }}
    {%- endfor %}
    {%- for q, p in rates.items() %}
    or c.{{ q }} < c.{{ p }}
    {%- endfor %}
    or (c.is_eligible = 0 and coalesce(c.q, c.q_hk, c.q_hk_adhoc, c.q_pair) is not null)
    or (c.is_eligible = 0 and c.is_deciding = 1)
    or (c.is_deciding = 1 and c.p_pair is null)
    or (c.is_deciding = 0 and c.p_pair is not null)
    {%- endif %}
{%- endfor %}
