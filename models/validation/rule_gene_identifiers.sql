with identifiers as (
    select distinct
        c.batch_id,
        c.study_accession_code,
        'gene id' as kind,
        r.gene_id as identifier
    from {{ source('staging', 'expression_rows') }} as r
    inner join {{ ref('int_candidate_batch') }} as c on r.batch_id = c.batch_id
    union all
    select distinct
        c.batch_id,
        c.study_accession_code,
        'sample accession' as kind,
        r.sample_accession_code as identifier
    from {{ source('staging', 'expression_rows') }} as r
    inner join {{ ref('int_candidate_batch') }} as c on r.batch_id = c.batch_id
)

-- `like`, because T-SQL's `=` and `len` ignore trailing blanks.
select
    'VALIDATION_INVALID_IDENTIFIER' as validation_code,
    batch_id,
    study_accession_code,
    concat('"', identifier, '"') as subject,
    concat(kind, case when ltrim(identifier) = '' then ' is empty' else ' starts or ends with a blank' end) as finding
from identifiers
where identifier = '' or identifier like ' %' or identifier like '% '
