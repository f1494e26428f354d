{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        pre_hook="{{ in_later_builds(remove_other_annotation(this)) }}"
    )
}}

-- 1. Every name of every gene, with its standing: 1 an id, or the current symbol of a gene that a nomenclature
-- committee named; 2 the current symbol of another gene; 3 any other name.
with genes as (
    select
        g.organism,
        g.gene_id,
        g.gene_symbol,
        case
            when g.is_retired = 1 then 3
            when g.hgnc_id is not null or g.mgi_id is not null then 1
            else 2
        end as symbol_standing
    from {{ ref('stg_gene') }} as g
),

named as (
    select
        g.organism,
        g.gene_id,
        'ENSEMBL' as id_type,
        g.gene_id as identifier,
        1 as standing
    from genes as g
    union all
    select
        g.organism,
        g.gene_id,
        'SYMBOL' as id_type,
        g.gene_symbol as identifier,
        g.symbol_standing as standing
    from genes as g
    where g.gene_symbol is not null
    union all
    select
        r.organism,
        r.gene_id,
        r.id_type,
        r.gene_ref as identifier,
        1 as standing
    from {{ ref('stg_gene_reference') }} as r
    -- Files may differ in a gene's symbol.
    union all
    select
        v.organism,
        v.gene_id,
        'SYMBOL' as id_type,
        v.value as identifier,
        3 as standing
    from {{ ref('stg_annotation_value') }} as v
    where v.attribute = 'symbol' and v.value is not null
    union all
    select
        v.organism,
        v.gene_id,
        a.identifier_type as id_type,
        case when v.item <> '' then v.item else v.value end as identifier,
        3 as standing
    from {{ ref('stg_annotation_value') }} as v
    inner join {{ ref('annotation_attribute') }} as a on v.source = a.source and v.attribute = a.attribute
    where
        a.identifier_type <> ''
        and a.attribute not in ('symbol', 'ensembl_gene_id', 'hgnc_id', 'entrez_id', 'mgi_id')
        and coalesce(v.item, v.value) is not null
),

-- 2. One row per gene, kind and name; names are the same in any case.
keyed as (
    select
        n.organism,
        n.gene_id,
        n.id_type,
        upper(n.identifier) as identifier_key,
        min(n.identifier) as identifier,
        min(n.standing) as standing
    from named as n
    group by n.organism, n.gene_id, n.id_type, upper(n.identifier)
),

-- 3. A name is that of the genes where it stands best.
best as (
    select
        k.organism,
        k.gene_id,
        k.identifier_key,
        min(k.standing) as standing
    from keyed as k
    group by k.organism, k.gene_id, k.identifier_key
),

ranked as (
    select
        b.organism,
        b.gene_id,
        b.identifier_key,
        rank() over (partition by b.organism, b.identifier_key order by b.standing) as best_rank,
        count(*) over (partition by b.organism, b.identifier_key, b.standing) as gene_count
    from best as b
)

select
    cast(k.identifier_key as {{ type_text(200) }}) as identifier_key,
    cast(k.organism as {{ type_code(100) }}) as organism,
    cast(k.id_type as {{ type_code(20) }}) as id_type,
    cast(k.gene_id as {{ type_code(50) }}) as gene_id,
    cast(k.identifier as {{ type_text(200) }}) as identifier,
    cast(case when k.standing < 3 then 1 else 0 end as {{ type_flag() }}) as is_current,
    cast(case when r.best_rank = 1 and r.gene_count = 1 then 0 else 1 end as {{ type_flag() }}) as is_ambiguous,
    cast(s.annotation_id as {{ type_code(64) }}) as annotation_id
from keyed as k
cross join {{ ref('stg_annotation_state') }} as s
inner join ranked as r on k.organism = r.organism and k.gene_id = r.gene_id and k.identifier_key = r.identifier_key
where
    k.identifier_key <> ''
    {{ and_annotation_is_new() }}
