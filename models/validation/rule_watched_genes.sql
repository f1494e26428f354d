with entries as (
    select
        nullif(w.disease, '') as disease_label,
        nullif(w.gene_id, '') as gene_id,
        nullif(w.gene_symbol, '') as gene_symbol
    from {{ ref('watch_list') }} as w
),

looked_up as (
    select
        e.gene_symbol,
        count(i.gene_id) as gene_count,
        min(cast(i.is_ambiguous as integer)) as is_ambiguous,
        {{ sorted_list('i.gene_id') }} as gene_ids
    from (
        select distinct gene_symbol from entries
        where gene_id is null and gene_symbol is not null
    ) as e
    left join (
        select distinct identifier_key, gene_id, is_ambiguous from {{ ref('gene_identifier') }}
    ) as i on upper(e.gene_symbol) = i.identifier_key
    where not exists (select 1 from {{ ref('dim_gene') }} as g where g.gene_id = e.gene_symbol)
    group by e.gene_symbol
)

select
    'WATCHED_GENE_UNRESOLVED' as validation_code,
    cast(null as {{ type_code(64) }}) as batch_id,
    cast(null as {{ type_code(50) }}) as study_accession_code,
    l.gene_symbol as subject,
    case
        when s.annotation_id = 'none' then 'the symbol cannot be looked up, because no gene annotation is loaded'
        when l.gene_count = 0 then 'no gene has this symbol'
        else concat('several genes have this symbol: ', l.gene_ids)
    end as finding
from looked_up as l
cross join {{ ref('stg_annotation_state') }} as s
where l.gene_count = 0 or l.is_ambiguous = 1
union all
select distinct
    'WATCHED_GENE_UNRESOLVED' as validation_code,
    cast(null as {{ type_code(64) }}) as batch_id,
    cast(null as {{ type_code(50) }}) as study_accession_code,
    coalesce(e.gene_symbol, e.gene_id) as subject,
    concat('dim_disease has no disease ', e.disease_label) as finding
from entries as e
where
    coalesce(e.gene_symbol, e.gene_id) is not null
    and e.disease_label is not null
    and not exists (select 1 from {{ ref('dim_disease') }} as d where d.disease_label = e.disease_label)
union all
select distinct
    'WATCHED_GENE_UNRESOLVED' as validation_code,
    cast(null as {{ type_code(64) }}) as batch_id,
    cast(null as {{ type_code(50) }}) as study_accession_code,
    'seed watch_list' as subject,
    'an entry has neither a gene_id nor a gene_symbol' as finding
from entries as e
where e.gene_symbol is null and e.gene_id is null
union all
-- An Ensembl id that no study has is right, and means a gene that was not measured.
select distinct
    'WATCHED_GENE_UNRESOLVED' as validation_code,
    cast(null as {{ type_code(64) }}) as batch_id,
    cast(null as {{ type_code(50) }}) as study_accession_code,
    e.gene_id as subject,
    'no study has this gene_id, and it is no Ensembl id, such as ENSG00000114013, without a version' as finding
from entries as e
where
    (e.gene_id not like 'ENS%' or e.gene_id like '%.%')
    and not exists (select 1 from {{ ref('dim_gene') }} as g where g.gene_id in (e.gene_id, e.gene_symbol))
