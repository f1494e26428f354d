select
    'VALIDATION_SAMPLE_CONSTANT' as validation_code,
    o.batch_id,
    s.study_accession_code,
    m.sample_accession_code as subject,
    concat('all its values are ', o.value_min) as finding
from {{ ref('int_sample_outlier') }} as o
inner join {{ ref('dim_study') }} as s on o.study_key = s.study_key
inner join {{ ref('dim_sample') }} as m on o.sample_key = m.sample_key
inner join {{ source('staging', 'batch') }} as b on o.batch_id = b.batch_id
where
    o.value_min = o.value_max
    and b.gene_count > 1
    and m.exclude_from_analysis = 0
