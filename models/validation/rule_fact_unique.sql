-- Batches are numbered first: grouping by integers alone takes a third of the memory, and at most half the
-- time, of grouping with the 64-character batch_id.
--
-- Only batches that no build has searched since it loaded them: to search all takes longer than the rest of a
-- build for a new study. A batch with a value twice stays VALIDATED, as it has too many rows.
with numbered as (
    select
        batch_id,
        row_number() over (order by batch_id) as batch_number
    from {{ source('staging', 'batch') }}
    where
        (status = 'VALIDATED' or fact_checked_at is null or fact_checked_at < loaded_at)
        and {{ is_selected_study('study_accession_code') }}
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
    concat('has ', {{ counted('count(*)', 'gene') }}, ' more than once') as finding
from duplicates as d
inner join numbered as n on d.batch_number = n.batch_number
inner join {{ ref('dim_study') }} as s on d.study_key = s.study_key
inner join {{ ref('dim_sample') }} as m on d.sample_key = m.sample_key
group by n.batch_id, s.study_accession_code, m.sample_accession_code
