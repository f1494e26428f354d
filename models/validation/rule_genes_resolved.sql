{%- set phrases = {
    'SYMBOL': 'by symbol', 'PREVIOUS_SYMBOL': 'by previous symbol', 'ALIAS_SYMBOL': 'by alias', 'ENTREZ': 'by Entrez id',
    'HGNC': 'by HGNC id', 'MGI': 'by MGI id'
} -%}
with lines as (
    select
        l.batch_id,
        l.study_accession_code,
        s.study_organism as organism,
        l.source_gene_id,
        l.resolved_by,
        row_number() over (partition by l.batch_id, l.resolved_by order by l.line_no) as id_no
    from {{ ref('int_candidate_batch') }} as c
    inner join {{ ref('int_gene_line') }} as l on c.batch_id = l.batch_id
    inner join {{ ref('stg_batch') }} as b on c.batch_id = b.batch_id
    inner join {{ ref('stg_study') }} as s on c.batch_id = s.batch_id
    -- Among Ensembl ids, a few others are no error.
    where l.resolved_by <> 'ENSEMBL' and coalesce(b.gene_id_form, '') not like 'ENSEMBL%'
),

counted as (
    select
        l.batch_id,
        l.study_accession_code,
        l.organism,
        count(*) as id_count
        {%- for kind in phrases %},
        sum(case when l.resolved_by = '{{ kind }}' then 1 else 0 end) as {{ kind | lower }}_count
        {%- endfor %},
        sum(case when l.resolved_by = 'AMBIGUOUS' then 1 else 0 end) as ambiguous_count,
        sum(case when l.resolved_by = 'UNKNOWN' then 1 else 0 end) as unknown_count
    from lines as l
    group by l.batch_id, l.study_accession_code, l.organism
),

-- A row per kind: SQL Server sorts one list per select.
examples as (
    select
        l.batch_id,
        l.resolved_by,
        {{ sorted_list('l.source_gene_id') }} as ids
    from lines as l
    where l.resolved_by in ('AMBIGUOUS', 'UNKNOWN') and l.id_no <= 5
    group by l.batch_id, l.resolved_by
),

annotated as (
    select distinct i.organism
    from {{ ref('gene_identifier') }} as i
),

annotatable as (
    select distinct f.organism
    from {{ ref('annotation_file') }} as f
)

select
    case when a.organism is null then 'VALIDATION_ANNOTATION_ABSENT' else 'VALIDATION_GENE_IDS_UNRESOLVED' end as validation_code,
    c.batch_id,
    c.study_accession_code,
    c.study_accession_code as subject,
    case
        when a.organism is null
            then concat(
                {{ counted('c.id_count', 'gene id') }}, ' not of Ensembl, as ', u.ids,
                '; no gene annotation of ', c.organism, ' is loaded'
            )
        else concat(
            'of ', {{ counted('c.id_count', 'gene id') }}, ' not of Ensembl, ', c.id_count - c.ambiguous_count - c.unknown_count,
            ' are resolved ('
            {%- for kind, phrase in phrases.items() %}
            {%- set count = 'c.' ~ kind | lower ~ '_count' %},
            {%- if kind in ['HGNC', 'MGI'] %}
            case when {{ count }} > 0 then concat(', ', {{ count }}, ' {{ phrase }}') else '' end
            {%- else %}
            '{{ ', ' if not loop.first }}', {{ count }}, ' {{ phrase }}'
            {%- endif %}
            {%- endfor %},
            '); ambiguous: ', c.ambiguous_count,
            case when c.ambiguous_count > 0 then concat(' (as ', left(m.ids, 120), ')') else '' end,
            '; unknown: ', c.unknown_count,
            case when c.unknown_count > 0 then concat(' (as ', left(u.ids, 120), ')') else '' end
        )
    end as finding
from counted as c
inner join annotatable as f on c.organism = f.organism
left join annotated as a on c.organism = a.organism
left join examples as m on c.batch_id = m.batch_id and m.resolved_by = 'AMBIGUOUS'
left join examples as u on c.batch_id = u.batch_id and u.resolved_by = 'UNKNOWN'
where c.ambiguous_count + c.unknown_count > 0
