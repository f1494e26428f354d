select
    d.disease_key,
    s.technology,
    s.organism,
    s.gene_a_key,
    s.gene_b_key,
    cast(concat(s.gene_a_key, '_', s.gene_b_key) as {{ type_code(30) }}) as pair_natural_key,
    s.is_watched,
    s.pairs_tested,
    s.q_combined,
    s.q_combined_dependent,
    s.feature_run_id
from {{ source('staging', 'screened_pairs') }} as s
inner join {{ ref('dim_disease') }} as d on s.disease_label = d.disease_label
inner join {{ ref('stg_slice_studies') }} as h
    on d.disease_key = h.disease_key and s.technology = h.technology and s.organism = h.organism and s.studies_hash = h.studies_hash
