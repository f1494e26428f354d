-- By the ids of genes: a warehouse that was made anew has other keys.
with reviews as (
    select
        p.pair_key,
        r.review_id,
        r.verdict,
        r.rationale,
        r.reviewer,
        r.model,
        r.disease_label,
        r.snapshot_version,
        r.created_at,
        row_number() over (
            partition by p.pair_key
            order by r.created_at desc, r.review_id desc
        ) as row_no
    from {{ source('analytics', 'llm_reviews') }} as r
    inner join {{ ref('dim_gene') }} as a on r.gene_a_id = a.gene_id
    inner join {{ ref('dim_gene') }} as b on r.gene_b_id = b.gene_id
    inner join {{ ref('dim_gene_pair') }} as p
        on (p.gene_a_key = a.gene_key and p.gene_b_key = b.gene_key) or (p.gene_a_key = b.gene_key and p.gene_b_key = a.gene_key)
)

select
    n.pair_key,
    {{ json_object({
        'review_id': 'n.review_id', 'verdict': 'n.verdict', 'rationale': 'n.rationale', 'reviewer': 'n.reviewer',
        'model': 'n.model', 'disease': 'n.disease_label', 'snapshot': 'n.snapshot_version',
        'created_at': 'cast(n.created_at as ' ~ type_code(30) ~ ')',
    }) }} as agent_result_json
from reviews as n
where n.row_no = 1
