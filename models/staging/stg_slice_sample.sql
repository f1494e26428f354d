select
    disease_key,
    technology,
    organism,
    study_key,
    sample_key,
    illness_key,
    batch_id,
    loaded_at
from {{ ref('stg_slice_member') }}
where study_key = counting_study_key and is_repeat = 0 and is_duplicate = 0
