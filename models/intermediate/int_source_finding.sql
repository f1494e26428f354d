{{
    config(
        post_hook=["{{ log_findings(this) }}", "{{ quarantine_batches(this) }}", "{{ mark_batches_validated() }}"]
    )
}}

{{
    findings([
        'rule_samples_match',
        'rule_unit_known',
        'rule_staged_rows_complete',
        'rule_staged_rows_unique',
        'rule_gene_identifiers',
        'rule_genes_merged',
        'rule_genes_resolved',
        'rule_gene_species',
        'rule_expression_domain',
        'rule_counts',
        'rule_scales_differ'
    ])
}}
