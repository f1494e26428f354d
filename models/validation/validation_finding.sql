{%- for findings in ['int_source_finding', 'int_key_finding', 'int_value_finding', 'int_target_finding'] %}
select
    validation_code,
    error_code,
    severity,
    batch_id,
    study_accession_code,
    subject,
    finding,
    finding_count,
    finding_number
from {{ ref(findings) }}
{{- '\nunion all' if not loop.last }}
{%- endfor %}
