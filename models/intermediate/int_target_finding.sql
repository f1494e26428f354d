{{ config(post_hook=["{{ log_findings() }}"]) }}

{{
    findings([
        'rule_fact_reconciles'
    ])
}}
