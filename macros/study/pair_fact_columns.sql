{#- The metric columns of fact_gene_pair_contrast and fact_gene_pair_cohort, in the facts' order: one list
    each for the facts, the views over them and their tests. One line per column: name, type, least and
    greatest value, `-` for no bound, and the column of int_pair_contrast or int_pair_cohort that it is,
    `-` for columns that the fact computes.

    n_studies integer 1 - k
    …

    Text, as pair_metric_columns. -#}
{% macro pair_contrast_columns() -%}
n_studies integer 1 - k
n_samples integer 1 - n_samples
theta_re float(53) - - theta_re
se_re float(53) 0 - se_re
ci_low float(53) - - ci_low
ci_high float(53) - - ci_high
cochran_q float(53) 0 - q
cochran_q_p float(53) 0 1 q_p
i2 float(53) 0 100 i2
tau2 float(53) 0 - tau2
z float(53) - - z
p float(53) 0 1 p
q float(53) 0 1 -
hk_se float(53) 0 - hk_se
hk_ci_low float(53) - - hk_ci_low
hk_ci_high float(53) - - hk_ci_high
p_hk float(53) 0 1 hk_p
q_hk float(53) 0 1 -
hk_adhoc_se float(53) 0 - hk_adhoc_se
p_hk_adhoc float(53) 0 1 hk_adhoc_p
q_hk_adhoc float(53) 0 1 -
pi_low float(53) - - pi_low
pi_high float(53) - - pi_high
loo_min float(53) - - loo_min
loo_max float(53) - - loo_max
kappa float(53) 0 1.000000000001 kappa
direction_consistency float(53) 0 1.000000000001 direction_consistency
magnitude_consistency float(53) 0 1.000000000001 magnitude_consistency
consistency_score float(53) 0 1.000000000001 consistency_score
power_score float(53) 0 1.000000000001 -
{%- endmacro %}

{% macro pair_cohort_columns() -%}
n_studies integer 1 - k
n_samples integer 1 - n_samples
z_re float(53) - - theta_re
se_re float(53) 0 - se_re
r float(53) -1 1 -
cochran_q float(53) 0 - q
i2 float(53) 0 100 i2
tau2 float(53) 0 - tau2
z_stat float(53) - - z
p float(53) 0 1 p
{%- endmacro %}


{#- The columns that identify a slice, the unit of meta-analysis. -#}
{% macro slice_columns() %}{{ return(['disease_key', 'technology', 'organism']) }}{% endmacro %}

{% macro same_slice(alias, other) %}{{ return(same_group(slice_columns(), alias, other)) }}{% endmacro %}
