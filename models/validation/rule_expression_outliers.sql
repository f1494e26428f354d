select
    'VALIDATION_EXPRESSION_OUTLIERS' as validation_code,
    o.batch_id,
    s.study_accession_code,
    m.sample_accession_code as subject,
    concat(o.outlier_count, ' of ', o.gene_count, ' genes beyond {{ var('outlier_mad_max') }} MAD') as finding
from {{ ref('int_sample_outlier') }} as o
inner join {{ ref('dim_study') }} as s on o.study_key = s.study_key
inner join {{ ref('dim_sample') }} as m on o.sample_key = m.sample_key
where o.outlier_count > {{ var('outlier_sample_share_max') }}e0 * o.gene_count
