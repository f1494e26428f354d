{{ config(post_hook="{{ log_findings(this) }}") }}

{{
    findings([
        'rule_expression_outliers',
        'rule_samples_vary',
        'rule_samples_fit_cohort',
        'rule_genes_differ'
    ])
}}
