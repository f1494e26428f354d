{#- Returns the findings of one rule in this run.

    - no_findings:
        name: 54020_UNIT_UNDETECTED
        arguments: {validation_code: UNIT_UNDETECTED}
        config: {severity: error}

    If a batch was released, its errors are only warnings and do not fail the test. -#}
{% test no_findings(model, validation_code) %}
select
    study_accession_code,
    subject,
    finding,
    batch_id,
    finding_count
from {{ model }}
where
    validation_code = '{{ validation_code }}'
    and severity = '{{ 'ERROR' if config.get('severity') | lower == 'error' else 'WARNING' }}'
    and finding_number <= 100
{% endtest %}
