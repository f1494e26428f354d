with ordered as (
    select
        study_key,
        illness_label,
        gene_key,
        expression_value,
        row_number() over (
            partition by study_key, illness_label, gene_key
            order by expression_value
        ) as row_no,
        count(*) over (partition by study_key, illness_label, gene_key) as sample_count
    from {{ ref('vw_expression_export') }}
),

-- The median is the mean of the one middle row (n odd) or the two middle rows (n even): those with
-- n <= 2 * row_no <= n + 2.
cohorts as (
    select
        study_key,
        illness_label,
        gene_key,
        cast(count(*) as integer) as sample_count,
        avg(expression_value) as mean_expression,
        {{ stddev('expression_value') }} as sd_expression,
        min(expression_value) as min_expression,
        avg(
            case when 2 * row_no between sample_count and sample_count + 2 then expression_value end
        ) as median_expression,
        max(expression_value) as max_expression
    from ordered
    group by study_key, illness_label, gene_key
)

select
    st.study_key,
    st.study_accession_code,
    c.illness_label,
    g.gene_key,
    g.gene_id,
    g.gene_symbol,
    c.sample_count,
    c.mean_expression,
    c.sd_expression,
    c.min_expression,
    c.median_expression,
    c.max_expression
from cohorts as c
inner join {{ ref('dim_study') }} as st on c.study_key = st.study_key
inner join {{ ref('unit') }} as u on st.study_unit_tag = u.unit_tag
inner join {{ ref('dim_gene') }} as g on c.gene_key = g.gene_key
-- Values scaled per gene have no levels.
where u.has_levels = 1
