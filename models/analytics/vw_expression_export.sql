select
    f.sample_key,
    f.gene_key,
    f.expression_value,
    i.illness_label,
    f.study_key
from {{ ref('fact_gene_expression') }} as f
inner join {{ ref('stg_loaded_batch') }} as b on f.batch_id = b.batch_id
inner join {{ ref('dim_sample') }} as s on f.sample_key = s.sample_key
inner join {{ ref('dim_illness') }} as i on s.illness_key = i.illness_key
where s.exclude_from_analysis = 0 and f.expression_value is not null
