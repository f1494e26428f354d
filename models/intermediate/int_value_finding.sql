{{ config(post_hook=["{{ mark_values_judged() }}", "{{ log_findings(this) }}"]) }}

-- The last of what is computed of a study's values: if a run ends before, a later one computes all of it again.
-- depends_on: {{ ref('fact_feature_values') }}, {{ ref('meta_study_qc') }}
{{
    findings([
        'rule_expression_outliers',
        'rule_samples_vary',
        'rule_samples_fit_cohort',
        'rule_genes_differ'
    ])
}}
