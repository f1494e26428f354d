{{ config(materialized=table_in_batches(), batches='feature_study_batches') }}

with measured as (
    select
        b.study_key,
        b.batch_id,
        b.is_log_scale,
        s.illness_key,
        f.sample_key,
        f.gene_key,
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

study_genes as (
    select
        study_key,
        count(*) as gene_count
    from {{ ref('int_gene_feature') }}
    group by study_key
),

cohort_sums as (
    select
        study_key,
        illness_key,
        gene_key,
        count(*) as value_count,
        sum(expression_value) as value_sum
    from measured
    group by study_key, illness_key, gene_key
),

-- A sample is compared with its cohort without itself, so that an outlier does not influence the
-- profile it is compared with.
judged as (
    select
        v.study_key,
        v.batch_id,
        v.is_log_scale,
        v.illness_key,
        v.sample_key,
        v.expression_value_raw,
        case when g.gene_mad_expression > 0e0 then 1 else 0 end as is_judged,
        case
            when g.gene_mad_expression > 0e0 and abs(v.expression_value - g.gene_median_expression) > {{ var('outlier_mad_max') }} * 1.4826e0 * g.gene_mad_expression then 1
            else 0
        end as is_outlier,
        case when c.value_count > 1 then v.expression_value end as x,
        case when c.value_count > 1 then (c.value_sum - v.expression_value) / (c.value_count - 1e0) end as y
    from measured as v
    inner join {{ ref('int_gene_feature') }} as g on v.study_key = g.study_key and v.gene_key = g.gene_key
    inner join cohort_sums as c
        on v.study_key = c.study_key and v.illness_key = c.illness_key and v.gene_key = c.gene_key
),

totals as (
    select
        study_key,
        batch_id,
        is_log_scale,
        illness_key,
        sample_key,
        count(*) as value_count,
        sum(expression_value_raw) as library_size,
        avg(case when expression_value_raw = 0e0 then 1e0 else 0e0 end) as zero_share,
        sum(is_judged) as judged_count,
        sum(is_outlier) as outlier_count,
        avg(x) as mean_x,
        avg(y) as mean_y,
        avg(x * x) - avg(x) * avg(x) as variance_x,
        avg(y * y) - avg(y) * avg(y) as variance_y,
        avg(x * y) - avg(x) * avg(y) as covariance
    from judged
    group by study_key, batch_id, is_log_scale, illness_key, sample_key
),

profiled as (
    select
        t.*,
        -- The variance of a constant profile is rounding error and counts as 0.
        case
            when t.variance_x > 1e-12 * (1e0 + t.mean_x * t.mean_x) and t.variance_y > 1e-12 * (1e0 + t.mean_y * t.mean_y) then 1
            else 0
        end as has_profile
    from totals as t
),

middles as (
    {{ median('measured', ['study_key', 'sample_key']) | indent(4) }}
)

select
    p.study_key,
    p.batch_id,
    p.sample_key,
    p.illness_key,
    p.is_log_scale,
    cast(p.judged_count as integer) as judged_count,
    p.has_profile,
    case when p.is_log_scale = 0 then p.library_size end as sample_library_size,
    p.zero_share as sample_zero_share,
    1e0 - 1e0 * p.value_count / g.gene_count as sample_missing_share,
    1e0 * p.outlier_count / nullif(p.judged_count, 0) as sample_outlier_gene_share,
    m.middle as sample_median_expression,
    case when p.has_profile = 1 then greatest(-1e0, least(1e0, p.covariance / sqrt(p.variance_x * p.variance_y))) end as sample_profile_correlation
from profiled as p
inner join study_genes as g on p.study_key = g.study_key
inner join middles as m on p.study_key = m.study_key and p.sample_key = m.sample_key
