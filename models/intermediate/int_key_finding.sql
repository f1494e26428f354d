{{ config(post_hook=["{{ log_findings(this) }}", "{{ quarantine_batches(this) }}"]) }}

{{ findings(['rule_keys_resolve']) }}
