-- Batches that this run has loaded, and those of an earlier run that ended before screening them. A batch
-- counts as loaded once its values are in the fact.
-- depends_on: {{ ref('fact_gene_expression') }}
{%- set qc = relation_to_extend('meta', 'meta_study_qc') %}
select
    s.study_key,
    l.batch_id,
    l.row_count
from {{ ref('stg_loaded_batch') }} as l
inner join {{ ref('dim_study') }} as s on l.study_accession_code = s.study_accession_code
left join {{ ref('int_candidate_batch') }} as c on l.batch_id = c.batch_id
{%- if qc %}
left join {{ qc }} as q on l.batch_id = q.batch_id and q.outlier_share is not null
{%- endif %}
where
    {{ is_selected_study('l.study_accession_code') }}
    {%- if qc %}
    and (c.batch_id is not null or q.batch_id is null)
    {%- endif %}
