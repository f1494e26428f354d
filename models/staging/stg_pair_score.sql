-- Scores of rankings of the slice's current state.
select
    v.feature_run_id,
    v.batch_id,
    d.disease_key,
    v.technology,
    v.pair_key,
    v.unsupervised_score,
    v.new_rank_score
from {{ source('staging', 'pair_scores') }} as v
inner join {{ ref('dim_disease') }} as d on v.disease_label = d.disease_label
inner join {{ ref('stg_slice') }} as s
    on d.disease_key = s.disease_key and v.technology = s.technology and v.batch_id = s.batch_id
