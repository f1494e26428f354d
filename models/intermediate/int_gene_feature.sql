{{ config(materialized=table_in_batches(), batches='feature_study_batches') }}

with measured as (
    select
        b.study_key,
        b.batch_id,
        f.gene_key,
        f.sample_key,
        f.expression_value,
        f.expression_value_raw
    from {{ ref('int_feature_study') }} as b
    inner join {{ ref('fact_gene_expression') }} as f on b.study_key = f.study_key and b.batch_id = f.batch_id
    inner join {{ ref('dim_sample') }} as s on f.sample_key = s.sample_key
    where
        b.study_key {{ batch() }}
        and s.exclude_from_analysis = 0
        and f.expression_value is not null
),

sizes as (
    select
        study_key,
        count(distinct sample_key) as sample_count
    from measured
    group by study_key
),

moments as (
    select
        study_key,
        batch_id,
        gene_key,
        count(*) as value_count,
        avg(expression_value) as mean_expression,
        {{ stddev('expression_value') }} as sd_expression,
        avg(case when expression_value_raw = 0e0 then 1e0 else 0e0 end) as zero_share
    from measured
    group by study_key, batch_id, gene_key
),

middles as (
    {{ median_and_mad('measured') | indent(4) }}
)

select
    m.study_key,
    m.batch_id,
    m.gene_key,
    cast(m.value_count as integer) as value_count,
    m.mean_expression as gene_mean_expression,
    m.sd_expression as gene_sd_expression,
    d.middle as gene_median_expression,
    d.mad as gene_mad_expression,
    m.zero_share as gene_zero_share,
    1e0 - 1e0 * m.value_count / s.sample_count as gene_missing_share,
    -- Means that differ only by rounding share a rank.
    cast(percent_rank() over (partition by m.study_key order by round(m.mean_expression, 9)) as float(53)) as gene_expression_percentile
from moments as m
inner join middles as d on m.study_key = d.study_key and m.gene_key = d.gene_key
inner join sizes as s on m.study_key = s.study_key
