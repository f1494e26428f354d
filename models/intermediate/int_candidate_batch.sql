-- A batch that is staged while this run works is the next run's.
select
    batch_id,
    study_accession_code
from {{ ref('stg_batch') }}
where
    status = 'STAGED'
    and {{ is_selected_study('study_accession_code') }}
