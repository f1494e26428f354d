{%- set kinds = {
    'symbol_count': 'SYMBOL', 'previous_symbol_count': 'PREVIOUS_SYMBOL', 'alias_symbol_count': 'ALIAS_SYMBOL',
    'entrez_count': 'ENTREZ', 'hgnc_count': 'HGNC', 'mgi_count': 'MGI', 'ambiguous_count': 'AMBIGUOUS',
    'unknown_count': 'UNKNOWN'
} %}
with loaded as (
    select
        l.batch_id,
        l.study_accession_code,
        b.gene_id_form,
        b.gene_count,
        t.study_organism as organism,
        case when b.gene_id_form = 'ENTREZ' then 1 else 0 end as is_entrez
    from {{ ref('stg_loaded_batch') }} as l
    inner join {{ source('staging', 'batch') }} as b on l.batch_id = b.batch_id
    inner join {{ ref('dim_study') }} as t on l.study_accession_code = t.study_accession_code
),

kinds as (
    select
        m.batch_id,
        count(*) as id_count
        {%- for column, kind in kinds.items() %},
        sum(case when m.resolved_by = '{{ kind }}' then 1 else 0 end) as {{ column }}
        {%- endfor %}
    from {{ ref('meta_gene_id') }} as m
    group by m.batch_id
),

-- Ids that were resolved by other bulk files than the loaded ones.
ids as (
    select
        m.batch_id,
        m.gene_id as fact_gene_id,
        m.source_gene_id,
        l.organism,
        l.is_entrez
    from {{ ref('meta_gene_id') }} as m
    inner join loaded as l on m.batch_id = l.batch_id
    cross join {{ ref('stg_annotation_state') }} as s
    where m.annotation_id <> s.annotation_id
),

annotated as (
    {{ genes_of_ids('ids') | indent(4) }}
),

changes as (
    select
        i.batch_id,
        count(*) as id_count
    from ids as i
    inner join annotated as a
        on i.organism = a.organism and i.is_entrez = a.is_entrez and i.source_gene_id = a.source_gene_id
    where a.gene_id <> i.fact_gene_id
    group by i.batch_id
)

select
    l.study_accession_code,
    l.batch_id,
    l.gene_id_form,
    cast(l.gene_count - coalesce(k.id_count, 0) as integer) as ensembl_count
    {%- for column in kinds %},
    cast(coalesce(k.{{ column }}, 0) as integer) as {{ column }}
    {%- endfor %},
    cast(coalesce(c.id_count, 0) as integer) as changed_count
from loaded as l
left join kinds as k on l.batch_id = k.batch_id
left join changes as c on l.batch_id = c.batch_id
