with entries as (
    select
        nullif(w.disease, '') as disease_label,
        nullif(w.gene_id, '') as gene_id,
        nullif(w.gene_symbol, '') as gene_symbol,
        cast(coalesce(nullif(w.gene_symbol, ''), w.gene_id) as {{ type_code(50) }}) as watched_name,
        concat(w.gene_id, ' ', w.gene_symbol) as entry
    from {{ ref('watch_list') }} as w
),

-- 1. The genes that each entry means. Without annotation, studies may name genes by their symbols.
meant as (
    select
        e.entry,
        e.gene_id
    from entries as e
    where e.gene_id is not null
    union
    select
        e.entry,
        i.gene_id
    from entries as e
    inner join {{ ref('gene_identifier') }} as i on upper(e.gene_symbol) = i.identifier_key
    where e.gene_id is null and i.is_ambiguous = 0
    union
    select
        e.entry,
        e.gene_symbol as gene_id
    from entries as e
    where e.gene_symbol is not null
)

-- 2. The diseases of each entry, and the gene in dim_gene.
select distinct
    d.disease_key,
    d.disease_label,
    e.watched_name,
    m.gene_id,
    g.gene_key
from entries as e
inner join {{ ref('stg_disease') }} as s
    on e.disease_label is null or e.disease_label in (s.disease_label, s.shares_labels_with)
inner join {{ ref('dim_disease') }} as d on s.disease_label = d.disease_label
left join meant as m on e.entry = m.entry
left join {{ ref('dim_gene') }} as g on m.gene_id = g.gene_id
