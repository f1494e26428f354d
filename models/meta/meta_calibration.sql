select
    c.feature_run_id,
    c.disease_label,
    c.technology,
    c.organism,
    c.null_hypothesis,
    c.planted_effect,
    c.test,
    c.draws,
    c.pairs_tested,
    c.share_p05,
    c.share_p05_error,
    c.share_p001,
    c.share_p001_error,
    c.draws_found,
    c.mean_found,
    c.power,
    c.power_error,
    cast(case when h.studies_hash is not null then 1 else 0 end as {{ type_flag() }}) as is_current
from {{ source('staging', 'calibration') }} as c
inner join {{ ref('dim_disease') }} as d on c.disease_label = d.disease_label
left join {{ ref('stg_slice_studies') }} as h
    on
        d.disease_key = h.disease_key
        and c.technology = h.technology
        and c.organism = h.organism
        and c.studies_hash = h.studies_hash
