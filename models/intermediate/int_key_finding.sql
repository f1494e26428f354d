{{ config(post_hook=["{{ log_findings() }}", "{{ quarantine_batches() }}"]) }}

{{ findings(['rule_keys_resolve']) }}
