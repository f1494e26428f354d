-- Genes that vary in more than half of the samples. The least expressed are left out: quantile normalisation gives
-- all genes that a sample does not express one value, which differs between samples. Genes that
-- agree in all these statistics have the same values; sums depend on the order of summation, so they are rounded.
with candidates as (
    select
        f.study_key,
        f.batch_id,
        g.gene_id,
        count(*) over (partition by f.study_key) as gene_count,
        count(*) over (
            partition by
                f.study_key, f.value_count, f.gene_median_expression, f.gene_mad_expression, f.gene_zero_share,
                round(f.gene_mean_expression, 9), round(f.gene_sd_expression, 9)
        ) as same_count,
        row_number() over (
            partition by
                f.study_key, f.value_count, f.gene_median_expression, f.gene_mad_expression, f.gene_zero_share,
                round(f.gene_mean_expression, 9), round(f.gene_sd_expression, 9)
            order by g.gene_id
        ) as same_no
    from {{ ref('int_gene_feature') }} as f
    inner join {{ ref('dim_gene') }} as g on f.gene_key = g.gene_key
    where f.gene_mad_expression > 0e0 and f.gene_expression_percentile > 0e0 and f.value_count >= 4
),

repeated as (
    select
        v.*,
        row_number() over (partition by v.study_key order by v.same_count desc, v.gene_id) as example_no
    from candidates as v
    where v.same_no > 1
)

select
    'VALIDATION_GENES_REPEATED' as validation_code,
    r.batch_id,
    s.study_accession_code,
    s.study_accession_code as subject,
    concat(
        count(*), ' of ', max(r.gene_count), ' genes that vary have exactly the values of another gene, for example ',
        max(case when r.example_no = 1 then r.gene_id end), '; ',
        {{ counted('max(r.same_count)', 'gene') }}, ' share the values of the largest group'
    ) as finding
from repeated as r
inner join {{ ref('dim_study') }} as s on r.study_key = s.study_key
group by r.batch_id, s.study_accession_code
having count(*) >= 10 and count(*) > {{ var('repeated_gene_share_max') }}e0 * max(r.gene_count)
