select
    'SCREEN_STALE' as validation_code,
    cast(null as {{ type_code(64) }}) as batch_id,
    cast(null as {{ type_code(50) }}) as study_accession_code,
    concat(s.disease_label, ' ', s.technology, ' ', s.organism) as subject,
    concat('left out: ', {{ counted('count(*)', 'pair') }}, ' of screen ', s.feature_run_id) as finding
from {{ source('staging', 'screened_pairs') }} as s
left join {{ ref('dim_disease') }} as d on s.disease_label = d.disease_label
left join {{ ref('stg_slice_studies') }} as h
    on d.disease_key = h.disease_key and s.technology = h.technology and s.organism = h.organism and s.studies_hash = h.studies_hash
where h.studies_hash is null
group by s.disease_label, s.technology, s.organism, s.feature_run_id
