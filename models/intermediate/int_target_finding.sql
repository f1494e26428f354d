{{ config(post_hook=["{{ log_findings(this) }}", "{{ mark_facts_checked(this) }}"]) }}

-- Both mark batches, which two transactions cannot do at a time.
-- depends_on: {{ ref('int_value_finding') }}
{{
    findings([
        'rule_fact_reconciles',
        'rule_fact_unique',
        'rule_missing_values',
        'rule_gene_count',
        'rule_distribution',
        'rule_illness_coverage',
        'rule_illness_ambiguous',
        'rule_illness_conflicts',
        'rule_manufacturer_known',
        'rule_one_organism',
        'rule_shared_sample_config',
        'rule_shared_sample_labels',
        'rule_study_has_disease',
        'rule_study_has_one_disease',
        'rule_disease_differs',
        'rule_disease_defined',
        'rule_study_fits_slice',
        'rule_studies_alike',
        'rule_shared_samples',
        'rule_duplicate_samples',
        'rule_repeated_subjects',
        'rule_contrast_studies',
        'rule_genes_changed',
        'rule_shared_genes',
        'rule_slice_pairs',
        'rule_heterogeneity',
        'rule_screen_is_current',
        'rule_watched_genes'
    ])
}}
