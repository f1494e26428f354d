{{ config(materialized=table_in_batches(), batches='feature_study_batches') }}

with measured as (
    select
        b.batch_id,
        f.study_key,
        f.sample_key,
        f.gene_key,
        f.expression_value,
        f.expression_value_raw
    from {{ ref('fact_gene_expression') }} as f
    inner join {{ ref('int_feature_study') }} as b on f.study_key = b.study_key and f.batch_id = b.batch_id
    where b.study_key {{ batch() }}
),

expressed as (
    select
        study_key,
        gene_key,
        expression_value
    from measured
    where expression_value is not null
),

middles as (
    {{ median_and_mad('expressed') | indent(4) }}
),

-- If half of a gene's values are equal, its MAD is 0, and there is no scale to judge by.
judged as (
    select
        v.batch_id,
        v.study_key,
        v.sample_key,
        v.expression_value_raw,
        case when m.mad > 0 and v.expression_value is not null then 1 else 0 end as is_judged,
        case
            when m.mad > 0 and abs(v.expression_value - m.middle) > {{ var('outlier_mad_max') }} * 1.4826e0 * m.mad then 1
            else 0
        end as is_outlier
    from measured as v
    left join middles as m on v.study_key = m.study_key and v.gene_key = m.gene_key
)

select
    study_key,
    batch_id,
    sample_key,
    cast(sum(is_judged) as integer) as gene_count,
    cast(sum(is_outlier) as integer) as outlier_count,
    sum(expression_value_raw) as library_size,
    min(expression_value_raw) as value_min,
    max(expression_value_raw) as value_max
from judged
group by study_key, batch_id, sample_key
