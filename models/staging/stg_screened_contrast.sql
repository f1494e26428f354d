select
    p.disease_key,
    p.technology,
    p.organism,
    p.pair_natural_key,
    c.contrast_key,
    s.q,
    s.q_hk,
    s.q_hk_adhoc,
    case when s.q_hk is not null then s.tests_hk end as tests_hk,
    s.q_pair
from {{ source('staging', 'screened_contrasts') }} as s
inner join {{ ref('stg_screened_pairs') }} as p
    on s.feature_run_id = p.feature_run_id and s.gene_a_key = p.gene_a_key and s.gene_b_key = p.gene_b_key
inner join {{ ref('dim_contrast') }} as c on p.disease_key = c.disease_key and s.contrast = c.contrast
