-- A batch that is staged while this run works belongs to the next run. A batch that an interrupted run
-- validated is a candidate again, because the later rules have not checked it.
select
    batch_id,
    study_accession_code
from {{ ref('stg_batch') }}
where
    status in ('STAGED', 'VALIDATED')
    and {{ is_selected_study('study_accession_code') }}
