-- 54020 UNIT_UNDETECTED: the unit of a current batch cannot be told, so that its study stays out
-- of the fact. Runs after the fact, so that one such study does not keep the others out too.
{{ config(severity='error') }}

-- depends_on: {{ ref('fact_gene_expression') }}

select
    study_accession_code,
    batch_id,
    study_technology
from {{ ref('stg_study') }}
where
    study_unit_tag is null
    and {{ is_selected_study('study_accession_code') }}
