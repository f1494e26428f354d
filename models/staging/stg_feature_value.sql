-- Keeps a run's features if the study or slice is still in the state from which they were computed.
with states as (
    select batch_id from {{ ref('stg_slice') }}
    union
    select batch_id from {{ ref('stg_loaded_batch') }}
)

select
    v.feature_run_id,
    v.batch_id,
    v.entity_scope,
    v.entity_id_1,
    v.entity_id_2,
    v.study_key,
    d.disease_key,
    r.technology,
    v.feature_name,
    v.feature_value
from {{ source('staging', 'feature_values') }} as v
inner join {{ source('meta', 'meta_feature_run') }} as r on v.feature_run_id = r.feature_run_id
inner join states as s on v.batch_id = s.batch_id
left join {{ ref('dim_disease') }} as d on r.disease_label = d.disease_label
where v.feature_value is not null
