{#- Attribute -> the type of the id that it holds. -#}
{%- set types = {'ensembl_gene_id': 'ENSEMBL', 'hgnc_id': 'HGNC', 'entrez_id': 'ENTREZ', 'mgi_id': 'MGI'} -%}

-- 1. Two ids of one gene, as a file's row has them. HGNC names human genes and MGI genes of mice: with another
-- organism the id is that of an orthologue.
with stated as (
    select
        f.organism,
        f.priority,
        v.id_type,
        v.gene_ref,
        case v.attribute
            {%- for attribute, type in types.items() %}
            when '{{ attribute }}' then '{{ type }}'
            {%- endfor %}
        end as other_type,
        cast(v.value as {{ type_code(50) }}) as other_ref
    from {{ source('staging', 'annotation_value') }} as v
    inner join {{ ref('annotation_file') }} as f on v.bulk_file = f.bulk_file
    where v.attribute in ('{{ types | join("', '") }}') and v.value is not null
),

links as (
    select
        s.organism,
        s.priority,
        s.id_type,
        s.gene_ref,
        s.other_type,
        s.other_ref
    from stated as s
    where
        s.id_type <> s.other_type
        and (s.organism = 'HOMO_SAPIENS' or 'HGNC' not in (s.id_type, s.other_type))
        and (s.organism = 'MUS_MUSCULUS' or 'MGI' not in (s.id_type, s.other_type))
),

both_ways as (
    select
        l.organism,
        l.priority,
        l.id_type,
        l.gene_ref,
        l.other_type,
        l.other_ref
    from links as l
    union all
    select
        l.organism,
        l.priority,
        l.other_type,
        l.other_ref,
        l.id_type,
        l.gene_ref
    from links as l
),

-- Archived files say of each of their genes that it is retired: it is if no current file has it.
retired as (
    select v.gene_ref as gene_id
    from {{ source('staging', 'annotation_value') }} as v
    where v.attribute = 'is_retired' and v.id_type = 'ENSEMBL'
    group by v.gene_ref
    having min(v.value) = '1'
),

-- 2. The gene of a nomenclature committee's id.
named as (
    select
        b.organism,
        b.id_type,
        b.gene_ref,
        b.other_ref as gene_id,
        row_number() over (
            partition by b.organism, b.id_type, b.gene_ref
            order by case when r.gene_id is null then 0 else 1 end, b.priority, b.other_ref
        ) as choice
    from both_ways as b
    left join retired as r on b.other_ref = r.gene_id
    where b.id_type in ('HGNC', 'MGI') and b.other_type = 'ENSEMBL'
),

-- 3. The gene of an Entrez id: that of its HGNC or MGI id; else the one that a file names beside it.
of_entrez as (
    select
        b.organism,
        b.id_type,
        b.gene_ref,
        n.gene_id,
        0 as is_direct,
        b.priority,
        b.other_ref
    from both_ways as b
    inner join named as n
        on b.organism = n.organism and b.other_type = n.id_type and b.other_ref = n.gene_ref and n.choice = 1
    where b.id_type = 'ENTREZ'
    union all
    select
        b.organism,
        b.id_type,
        b.gene_ref,
        b.other_ref as gene_id,
        1 as is_direct,
        b.priority,
        b.other_ref
    from both_ways as b
    where b.id_type = 'ENTREZ' and b.other_type = 'ENSEMBL'
),

entrez as (
    select
        e.organism,
        e.id_type,
        e.gene_ref,
        e.gene_id,
        row_number() over (
            partition by e.organism, e.gene_ref
            order by e.is_direct, case when r.gene_id is null then 0 else 1 end, e.priority, len(e.other_ref), e.other_ref
        ) as choice
    from of_entrez as e
    left join retired as r on e.gene_id = r.gene_id
),

chosen as (
    select
        n.organism,
        n.id_type,
        n.gene_ref,
        n.gene_id
    from named as n
    where n.choice = 1
    union all
    select
        e.organism,
        e.id_type,
        e.gene_ref,
        e.gene_id
    from entrez as e
    where e.choice = 1
)

select
    cast(c.organism as {{ type_code(100) }}) as organism,
    cast(c.id_type as {{ type_code(20) }}) as id_type,
    cast(c.gene_ref as {{ type_code(50) }}) as gene_ref,
    cast(c.gene_id as {{ type_code(50) }}) as gene_id,
    cast(row_number() over (
        partition by c.organism, c.id_type, c.gene_id
        order by len(c.gene_ref), c.gene_ref
    ) as integer) as ref_order
from chosen as c
