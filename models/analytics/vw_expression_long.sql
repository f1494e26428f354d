select
    f.sample_key,
    s.sample_accession_code,
    s.sample_title,
    i.illness_key,
    i.illness_label,
    st.study_key,
    st.study_accession_code,
    st.study_title,
    st.study_technology,
    st.study_unit_tag,
    p.platform_key,
    p.platform_accession,
    p.platform_name,
    g.gene_key,
    g.gene_id,
    g.gene_symbol,
    f.expression_value,
    f.expression_value_raw,
    f.expression_log2_value,
    s.exclude_from_analysis,
    f.batch_id,
    f.etl_created_date
from {{ ref('fact_gene_expression') }} as f
inner join {{ ref('stg_loaded_batch') }} as b on f.batch_id = b.batch_id
inner join {{ ref('dim_study') }} as st on f.study_key = st.study_key
inner join {{ ref('dim_sample') }} as s on f.sample_key = s.sample_key
inner join {{ ref('dim_gene') }} as g on f.gene_key = g.gene_key
inner join {{ ref('dim_illness') }} as i on s.illness_key = i.illness_key
inner join {{ ref('dim_platform') }} as p on s.platform_key = p.platform_key
