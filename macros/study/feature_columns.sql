{#- The features that each model computes, except the study-pooled gene-pair features, which are the columns
    pair_metric_names() and pair_score_names() of fact_gene_pair_metrics. One line per feature: model, name.

    int_gene_feature gene_mean_expression
    …

    Together with those columns, this list must equal the names in seed meta_feature_catalog; test
    features_as_catalogued compares them. -#}
{% macro feature_columns() -%}
int_gene_feature gene_mean_expression
int_gene_feature gene_sd_expression
int_gene_feature gene_median_expression
int_gene_feature gene_mad_expression
int_gene_feature gene_zero_share
int_gene_feature gene_missing_share
int_gene_feature gene_expression_percentile
int_gene_hub_feature gene_pair_count
int_gene_hub_feature gene_mean_abs_r_septic_shock
int_gene_hub_feature gene_mean_abs_dz_ss
int_gene_hub_feature gene_significant_pair_count
int_gene_pair_feature mutual_rank_sepsis
int_gene_pair_feature mutual_rank_septic_shock
int_gene_pair_feature mutual_rank_log_ratio
int_gene_pair_feature clr_dz_ss
int_gene_pair_feature apc_r_septic_shock
int_gene_pair_feature expression_percentile_difference
stg_feature_value lof_score
stg_feature_value isolation_forest_score
stg_feature_value rank_svm_score
int_sample_feature sample_library_size
int_sample_feature sample_zero_share
int_sample_feature sample_missing_share
int_sample_feature sample_outlier_gene_share
int_sample_feature sample_median_expression
int_sample_feature sample_profile_correlation
int_study_cohort_feature cohort_sample_count
int_study_cohort_feature cohort_mean_expression
int_study_cohort_feature cohort_profile_correlation
{%- endmacro %}


{#- The features of one model, for use in models.

    {{ features_of('int_gene_feature') }}  ->  ['gene_mean_expression', 'gene_sd_expression', …] -#}
{% macro features_of(model_name) %}
    {% if model_name == 'fact_gene_pair_metrics' %}
        {{ return(pair_metric_names() + pair_score_names()) }}
    {% endif %}
    {% set names = [] %}
    {% for model, name in words_of(feature_columns()) if model == model_name %}
        {% do names.append(name) %}
    {% endfor %}
    {{ return(names) }}
{% endmacro %}


{#- Scores of a pair in fact_gene_pair_metrics, one line each in the format of pair_metric_columns. A file
    of pair metrics cannot supply them: another program's scores are on another scale. -#}
{% macro pair_score_columns() -%}
metrics_score float(53) 0 1.000000000001
rank_score float(53) 0 1
unsupervised_score float(53) 0 1
new_rank_score float(53) 0 1.000000000001
{%- endmacro %}


{#- The names alone, for use in models. -#}
{% macro pair_score_names() %}
    {{ return(words_of(pair_score_columns()) | map('first') | list) }}
{% endmacro %}
