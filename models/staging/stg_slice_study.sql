select
    disease_key,
    technology,
    organism,
    study_key,
    max(batch_id) as batch_id,
    max(loaded_at) as loaded_at,
    {{ sorted_list("concat(illness_label, '=', sample_count, ' (', sample_sums, ')')") }} as cohorts
from {{ ref('stg_slice_cohort') }}
group by disease_key, technology, organism, study_key
