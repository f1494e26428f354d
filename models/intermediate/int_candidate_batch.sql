-- A batch that is staged while this run works is the next run's. One that an interrupted run has
-- validated already has not been through the rules that come after.
select
    batch_id,
    study_accession_code
from {{ ref('stg_batch') }}
where
    status in ('STAGED', 'VALIDATED')
    and {{ is_selected_study('study_accession_code') }}
