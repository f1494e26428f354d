-- What comes before the number of an Ensembl id: ENSG for human genes, ENSMUSG, ENSRNOG … for others.
with ids as (
    select
        l.batch_id,
        l.study_accession_code,
        s.study_organism as organism,
        l.gene_id,
        left(l.gene_id, {{ position_of("'G0'", 'upper(l.gene_id)') }}) as prefix
    from {{ ref('int_candidate_batch') }} as c
    inner join {{ ref('int_gene_line') }} as l on c.batch_id = l.batch_id
    inner join {{ ref('stg_study') }} as s on c.batch_id = s.batch_id
    where l.gene_id like 'ENS%G0%'
),

prefixes as (
    select
        batch_id,
        study_accession_code,
        organism,
        case
            when prefix = 'ENSG' and organism = 'HOMO_SAPIENS' then 1
            when prefix <> 'ENSG' and organism <> 'HOMO_SAPIENS' then 1
            else 0
        end as can_fit,
        count(*) as id_count,
        min(gene_id) as example
    from ids
    group by batch_id, study_accession_code, organism, prefix
),

-- Of a species other than human, most ids have the prefix of the species.
ranked as (
    select
        batch_id,
        study_accession_code,
        organism,
        can_fit,
        id_count,
        example,
        row_number() over (partition by batch_id order by can_fit desc, id_count desc, example) as prefix_no,
        sum(id_count) over (partition by batch_id) as batch_id_count
    from prefixes
)

select
    'VALIDATION_GENES_OF_OTHER_SPECIES' as validation_code,
    batch_id,
    study_accession_code,
    study_accession_code as subject,
    concat(
        sum(id_count), ' of ', max(batch_id_count), ' Ensembl ids are not of ', organism, ', as ',
        {{ sorted_list('example') }}
    ) as finding
from ranked
where can_fit = 0 or prefix_no > 1
group by batch_id, study_accession_code, organism
