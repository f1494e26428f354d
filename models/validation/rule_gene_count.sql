with loaded as (
    select
        l.study_accession_code,
        s.study_technology,
        b.gene_count
    from {{ ref('stg_loaded_batch') }} as l
    inner join {{ source('staging', 'batch') }} as b on l.batch_id = b.batch_id
    inner join {{ ref('stg_study') }} as s on l.study_accession_code = s.study_accession_code
),

candidates as (
    select
        c.batch_id,
        c.study_accession_code,
        s.study_technology,
        b.gene_count
    from {{ ref('int_candidate_batch') }} as c
    inner join {{ ref('stg_batch') }} as b on c.batch_id = b.batch_id
    inner join {{ ref('stg_study') }} as s on c.batch_id = s.batch_id
),

others as (
    select
        c.batch_id,
        l.gene_count,
        row_number() over (partition by c.batch_id order by l.gene_count) as row_no,
        count(*) over (partition by c.batch_id) as value_count
    from candidates as c
    inner join loaded as l
        on c.study_technology = l.study_technology and c.study_accession_code <> l.study_accession_code
),

medians as (
    select
        batch_id,
        {{ quantile_of_places('gene_count', 0.5) }} as median_gene_count
    from others
    group by batch_id
)

select
    'VALIDATION_GENE_COUNT_LOW' as validation_code,
    c.batch_id,
    c.study_accession_code,
    c.study_accession_code as subject,
    concat(
        {{ counted('c.gene_count', 'gene') }}, '; the other ', c.study_technology, ' studies have ',
        cast(round(m.median_gene_count, 0) as bigint), ' (median)'
    ) as finding
from candidates as c
inner join medians as m on c.batch_id = m.batch_id
where c.gene_count < {{ var('gene_count_share_min') }}e0 * m.median_gene_count
