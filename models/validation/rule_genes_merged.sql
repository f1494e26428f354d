with shared_lines as (
    select
        c.batch_id,
        c.study_accession_code,
        l.gene_id,
        max(l.duplicate_genes) as duplicate_genes,
        count(*) as line_count,
        min(l.line_no) as first_line,
        max(l.line_no) as last_line
    from {{ ref('int_candidate_batch') }} as c
    inner join {{ ref('int_gene_line') }} as l on c.batch_id = l.batch_id
    where l.line_count > 1
    group by c.batch_id, c.study_accession_code, l.gene_id
),

-- The first such gene of a study is its example.
numbered as (
    select
        s.*,
        row_number() over (partition by s.batch_id order by s.first_line) as gene_no
    from shared_lines as s
)

select
    case when max(duplicate_genes) = 'refuse' then 'VALIDATION_DUPLICATE_GENES' else 'VALIDATION_GENES_MERGED' end as validation_code,
    batch_id,
    study_accession_code,
    study_accession_code as subject,
    concat(
        {{ counted('sum(line_count)', 'line') }}, ' are ', {{ counted('count(*)', 'gene') }}, ' (',
        case
            when max(duplicate_genes) is null then 'mean, of counts the sum'
            when max(duplicate_genes) = 'refuse' then 'duplicate_genes is refuse'
            else max(duplicate_genes)
        end,
        '), for example ', max(case when gene_no = 1 then gene_id end), ' on lines ',
        max(case when gene_no = 1 then first_line end), ' and ', max(case when gene_no = 1 then last_line end)
    ) as finding
from numbered
group by batch_id, study_accession_code
