{%- set typical_min, correlation_min = var('profile_correlation_typical'), var('profile_correlation_min') -%}
with placed as (
    select
        f.study_key,
        f.batch_id,
        f.sample_key,
        f.sample_profile_correlation,
        row_number() over (partition by f.study_key order by f.sample_profile_correlation) as row_no,
        count(*) over (partition by f.study_key) as value_count
    from {{ ref('int_sample_feature') }} as f
    where f.sample_profile_correlation is not null
),

-- If the samples of a study have no profile in common, as centred values have none, no sample can differ from it.
typical as (
    select
        study_key,
        {{ quantile_of_places('sample_profile_correlation', 0.5) }} as median_correlation
    from placed
    group by study_key
)

select
    'VALIDATION_SAMPLE_UNLIKE_COHORT' as validation_code,
    p.batch_id,
    s.study_accession_code,
    m.sample_accession_code as subject,
    concat(
        'over genes, its correlation with the rest of its cohort is ',
        cast(p.sample_profile_correlation as decimal(3, 2)), '; the median of the study is ',
        cast(t.median_correlation as decimal(3, 2))
    ) as finding
from placed as p
inner join typical as t on p.study_key = t.study_key
inner join {{ ref('dim_study') }} as s on p.study_key = s.study_key
inner join {{ ref('dim_sample') }} as m on p.sample_key = m.sample_key
inner join {{ source('staging', 'batch') }} as b on p.batch_id = b.batch_id
where
    p.sample_profile_correlation < {{ correlation_min }}e0
    and t.median_correlation >= {{ typical_min }}e0
    -- Over fewer genes, such a correlation is chance.
    and b.gene_count >= 30
