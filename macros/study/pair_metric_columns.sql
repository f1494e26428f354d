{#- The metrics of fact_gene_pair_metrics that a file may supply (`python -m loader load-pairs`), in the
    fact's column order. One line per metric: name, type, minimum, maximum (`-` if unbounded).

    dz_ss_mean float(53) - -
    dz_ss_se float(53) 0 -
    …
    pairs_tested integer 0 2147450880

    It is plain text because the loader reads it too. The staging table, the models, the loader's checks and
    test assert_pair_metrics_are_in_range all use this one list. -#}
{% macro pair_metric_columns() -%}
{%- for short in ['ss', 'soth'] %}
dz_{{ short }}_mean float(53) - -
dz_{{ short }}_se float(53) 0 -
dz_{{ short }}_ci_low float(53) - -
dz_{{ short }}_ci_high float(53) - -
dz_{{ short }}_q float(53) 0 -
dz_{{ short }}_q_p float(53) 0 1
dz_{{ short }}_i2 float(53) 0 100
dz_{{ short }}_tau2 float(53) 0 -
dz_{{ short }}_z float(53) - -
p_{{ short }} float(53) 0 1
q_{{ short }} float(53) 0 1
neglog_q_{{ short }} float(53) 0 -
dz_{{ short }}_hk_se float(53) 0 -
dz_{{ short }}_hk_adhoc_se float(53) 0 -
dz_{{ short }}_hk_ci_low float(53) - -
dz_{{ short }}_hk_ci_high float(53) - -
p_{{ short }}_hk float(53) 0 1
q_{{ short }}_hk float(53) 0 1
dz_{{ short }}_pi_low float(53) - -
dz_{{ short }}_pi_high float(53) - -
dz_{{ short }}_loo_min float(53) - -
dz_{{ short }}_loo_max float(53) - -
{#- Rounding can put a sum of shares above 1. #}
kappa_{{ short }} float(53) 0 1.000000000001
abs_dz_{{ short }} float(53) 0 -
n_studies_{{ short }} integer 0 100000000
{%- endfor %}
{%- for cohort in ['control', 'no_sepsis', 'sepsis', 'septic_shock'] %}
r_{{ cohort }} float(53) -1 1
se_r_{{ cohort }} float(53) 0 -
i2_{{ cohort }} float(53) 0 100
z_stat_{{ cohort }} float(53) - -
p_value_{{ cohort }} float(53) 0 1
n_samples_{{ cohort }} integer 0 100000000
n_studies_{{ cohort }} integer 0 100000000
{%- endfor %}
{%- for difference in ['septic_shock_sepsis', 'septic_shock_control', 'sepsis_control'] %}
delta_r_{{ difference }} float(53) -2 2
z_diff_{{ difference }} float(53) - -
p_diff_{{ difference }} float(53) 0 1
{%- endfor %}
combined_z_score float(53) - -
combined_p_value float(53) 0 1
q_combined float(53) 0 1
combined_z_dependent float(53) - -
combined_p_dependent float(53) 0 1
q_combined_dependent float(53) 0 1
combined_effect_size float(53) - -
power_score float(53) 0 1.000000000001
direction_consistency float(53) 0 1.000000000001
magnitude_consistency float(53) 0 1.000000000001
consistency_score float(53) 0 1.000000000001
total_samples integer 0 100000000
included_study_count integer 0 100000000
{#- The number of pairs of 65,536 genes. #}
pairs_tested integer 0 2147450880
{%- endmacro %}


{#- Pairs of metrics whose first is never above the second, one line per pair.

    dz_ss_ci_low dz_ss_mean
    … -#}
{% macro pair_metric_orders() -%}
{%- for contrast in ['dz_ss', 'dz_soth'] %}
{{ contrast }}_ci_low {{ contrast }}_mean
{{ contrast }}_mean {{ contrast }}_ci_high
{{ contrast }}_loo_min {{ contrast }}_loo_max
{%- endfor %}
{%- endmacro %}


{#- The lines of one of these texts, each as a list of its words; for use in models.

    {{ words_of(pair_metric_orders()) }}  ->  [['dz_ss_ci_low', 'dz_ss_mean'], …] -#}
{% macro words_of(text) %}
    {% set lines = [] %}
    {% for line in text.split('\n') if line.strip() %}
        {% do lines.append(line.split()) %}
    {% endfor %}
    {{ return(lines) }}
{% endmacro %}


{#- The names alone, for use in models.

    {{ pair_metric_names() }}  ->  ['dz_ss_mean', 'dz_ss_se', …] -#}
{% macro pair_metric_names() %}
    {{ return(words_of(pair_metric_columns()) | map('first') | list) }}
{% endmacro %}
