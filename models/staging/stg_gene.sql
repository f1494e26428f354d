{{ config(materialized='incremental', incremental_strategy='append', on_schema_change='append_new_columns', **annotation_hooks()) }}
{%- set attributes = [
    'symbol', 'name', 'biotype', 'chromosome', 'start_position', 'end_position', 'strand', 'hgnc_id', 'entrez_id',
    'mgi_id', 'is_retired', 'successor'
] %}

-- 1. What the files say of each gene. The id by which a file knows a gene is an attribute too.
with stated as (
    select
        v.organism,
        v.gene_id,
        v.priority,
        v.attribute,
        v.value
    from {{ ref('stg_annotation_value') }} as v
    where
        v.attribute in ('{{ attributes | join("', '") }}')
        and v.is_first_reference = 1
        and v.item = ''
        and v.value is not null
    union all
    select
        r.organism,
        r.gene_id,
        r.priority,
        case r.id_type when 'HGNC' then 'hgnc_id' when 'MGI' then 'mgi_id' else 'entrez_id' end as attribute,
        r.gene_ref as value
    from {{ ref('stg_annotation_reference') }} as r
    where r.id_type <> 'ENSEMBL' and r.is_first_reference = 1
),

-- 2. Of several files, the first decides.
ordered as (
    select
        s.organism,
        s.gene_id,
        s.attribute,
        s.value,
        row_number() over (
            partition by s.organism, s.gene_id, s.attribute
            order by s.priority, len(s.value), s.value
        ) as choice
    from stated as s
),

-- 3. One row per gene. A gene that only a file of values names has no identity.
described as (
    select
        o.organism,
        o.gene_id
        {%- for attribute in attributes %},
        max(case when o.attribute = '{{ attribute }}' then o.value end) as {{ attribute }}
        {%- endfor %}
    from ordered as o
    where o.choice = 1
    group by o.organism, o.gene_id
)

select
    cast(d.organism as {{ type_code(100) }}) as organism,
    cast(d.gene_id as {{ type_code(50) }}) as gene_id,
    cast(d.symbol as {{ type_code(50) }}) as gene_symbol,
    -- Ensembl names a gene without a symbol by its id.
    cast(coalesce(d.name, d.symbol, d.gene_id) as {{ type_text(500) }}) as gene_name,
    cast(d.biotype as {{ type_code(50) }}) as gene_type,
    cast(d.chromosome as {{ type_code(50) }}) as chromosome,
    try_cast(d.start_position as bigint) as start_position,
    try_cast(d.end_position as bigint) as end_position,
    cast(d.strand as {{ type_code(1) }}) as strand,
    cast(d.hgnc_id as {{ type_code(50) }}) as hgnc_id,
    cast(d.entrez_id as {{ type_code(50) }}) as entrez_id,
    cast(d.mgi_id as {{ type_code(50) }}) as mgi_id,
    cast(case when d.is_retired = '1' then 1 else 0 end as {{ type_flag() }}) as is_retired,
    cast(d.successor as {{ type_code(50) }}) as successor,
    cast(s.annotation_id as {{ type_code(64) }}) as annotation_id
from described as d
cross join {{ ref('stg_annotation_state') }} as s
where
    d.gene_id is not null
    {{ and_annotation_is_new() }}
