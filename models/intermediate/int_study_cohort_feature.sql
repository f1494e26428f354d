with expression as (
    select
        b.study_key,
        s.illness_key,
        avg(f.expression_value) as mean_expression
    from {{ ref('int_feature_study') }} as b
    inner join {{ ref('fact_gene_expression') }} as f on b.study_key = f.study_key and b.batch_id = f.batch_id
    inner join {{ ref('dim_sample') }} as s on f.sample_key = s.sample_key
    where s.exclude_from_analysis = 0 and f.expression_value is not null
    group by b.study_key, s.illness_key
),

samples as (
    select
        study_key,
        batch_id,
        illness_key,
        count(*) as sample_count,
        count(sample_profile_correlation) as profile_count,
        avg(sample_profile_correlation) as profile_correlation
    from {{ ref('int_sample_feature') }}
    group by study_key, batch_id, illness_key
)

select
    s.study_key,
    s.batch_id,
    s.illness_key,
    cast(s.profile_count as integer) as profile_count,
    cast(s.sample_count as float(53)) as cohort_sample_count,
    e.mean_expression as cohort_mean_expression,
    s.profile_correlation as cohort_profile_correlation
from samples as s
inner join expression as e on s.study_key = e.study_key and s.illness_key = e.illness_key
