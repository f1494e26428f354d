{{ config(post_hook=["{{ log_findings() }}"]) }}

{{
    findings([
        'rule_fact_reconciles',
        'rule_fact_unique',
        'rule_illness_coverage',
        'rule_illness_conflicts',
        'rule_manufacturer_known',
        'rule_shared_sample_config',
        'rule_shared_sample_labels',
        'rule_study_has_disease',
        'rule_study_has_one_disease',
        'rule_expression_outliers',
        'rule_shared_samples',
        'rule_duplicate_samples',
        'rule_repeated_subjects',
        'rule_contrast_studies',
        'rule_genes_changed',
        'rule_shared_genes',
        'rule_slice_pairs',
        'rule_heterogeneity',
        'rule_screen_is_current'
    ])
}}
