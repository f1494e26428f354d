with loaded as (
    select
        l.batch_id,
        l.study_accession_code,
        s.study_technology,
        b.gene_count
    from {{ ref('stg_loaded_batch') }} as l
    inner join {{ source('staging', 'batch') }} as b on l.batch_id = b.batch_id
    inner join {{ ref('dim_study') }} as s on l.study_accession_code = s.study_accession_code
),

others as (
    select
        l.batch_id,
        o.gene_count,
        row_number() over (partition by l.batch_id order by o.gene_count) as row_no,
        count(*) over (partition by l.batch_id) as value_count
    from loaded as l
    inner join loaded as o
        on l.study_technology = o.study_technology and l.study_accession_code <> o.study_accession_code
    where {{ is_selected_study('l.study_accession_code') }}
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
    l.batch_id,
    l.study_accession_code,
    l.study_accession_code as subject,
    concat(
        {{ counted('l.gene_count', 'gene') }}, '; the other ', l.study_technology, ' studies have ',
        cast(round(m.median_gene_count, 0) as bigint), ' (median)'
    ) as finding
from loaded as l
inner join medians as m on l.batch_id = m.batch_id
where l.gene_count < {{ var('gene_count_share_min') }}e0 * m.median_gene_count
