select
    d.disease_key,
    s.disease_label,
    s.technology,
    s.organism,
    cast(concat(s.gene_a_key, '_', s.gene_b_key) as {{ type_code(30) }}) as pair_natural_key,
    s.gene_a_key,
    s.gene_b_key,
    s.csv_override,
    {%- for metric in pair_metric_names() %}
    s.{{ metric }},
    {%- endfor %}
    s.batch_id,
    s.line_no,
    s.file_name,
    s.file_hash,
    s.staged_at
from {{ source('staging', 'pair_metrics') }} as s
inner join {{ ref('dim_disease') }} as d on s.disease_label = d.disease_label
