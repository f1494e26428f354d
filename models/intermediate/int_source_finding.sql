{{
    config(
        post_hook=["{{ log_findings() }}", "{{ quarantine_batches() }}", "{{ mark_batches_validated() }}"]
    )
}}

{{
    findings([
        'rule_samples_match',
        'rule_unit_known'
    ])
}}
