{%- set typical_min, correlation_min = var('profile_correlation_typical'), var('profile_correlation_min') -%}
-- 1. Studies whose samples have a profile in common; centred values have none.
with profiled as (
    select
        s.disease_key,
        s.technology,
        s.organism,
        s.study_key,
        s.batch_id
    from {{ ref('stg_slice_study') }} as s
    inner join {{ ref('fact_feature_values') }} as f on s.study_key = f.study_key and s.batch_id = f.batch_id
    where f.entity_scope = 'STUDY_COHORT' and f.feature_name = 'cohort_profile_correlation'
    group by s.disease_key, s.technology, s.organism, s.study_key, s.batch_id
    having avg(f.feature_value) >= {{ typical_min }}e0
),

-- 2. How high each gene is expressed in them, as its place among the study's genes.
ranks as (
    select
        p.disease_key,
        p.technology,
        p.organism,
        p.study_key,
        p.batch_id,
        f.entity_id_1 as gene_key,
        f.feature_value as x
    from profiled as p
    inner join {{ ref('fact_feature_values') }} as f on p.study_key = f.study_key and p.batch_id = f.batch_id
    where f.entity_scope = 'GENE' and f.feature_name = 'gene_expression_percentile' and f.feature_value is not null
),

-- 3. The mean of the other studies.
others as (
    select
        r.disease_key,
        r.technology,
        r.organism,
        r.study_key,
        r.batch_id,
        r.x,
        sum(r.x) over (partition by r.disease_key, r.technology, r.organism, r.gene_key) as x_sum,
        count(*) over (partition by r.disease_key, r.technology, r.organism, r.gene_key) as study_count
    from ranks as r
),

compared as (
    select
        o.disease_key,
        o.technology,
        o.organism,
        o.study_key,
        o.batch_id,
        o.x,
        (o.x_sum - o.x) / (o.study_count - 1e0) as y
    from others as o
    where o.study_count > 1
),

moments as (
    select
        c.disease_key,
        c.technology,
        c.organism,
        c.study_key,
        c.batch_id,
        count(*) as gene_count,
        avg(c.x * c.y) - avg(c.x) * avg(c.y) as covariance,
        avg(c.x * c.x) - avg(c.x) * avg(c.x) as variance_x,
        avg(c.y * c.y) - avg(c.y) * avg(c.y) as variance_y
    from compared as c
    group by c.disease_key, c.technology, c.organism, c.study_key, c.batch_id
),

correlated as (
    select
        m.*,
        -- In a case: SQL Server may compute it before a condition leaves the row out.
        case when m.variance_x > 1e-12 and m.variance_y > 1e-12 then m.covariance / sqrt(m.variance_x * m.variance_y) end as r
    from moments as m
    -- With fewer than 30 genes in common, a low correlation may be chance.
    where m.gene_count >= 30
)

select
    'STUDY_UNLIKE_SLICE' as validation_code,
    c.batch_id,
    t.study_accession_code,
    concat(d.disease_label, ' ', c.technology, ' ', c.organism) as subject,
    concat(
        'the expression of its genes correlates ', cast(c.r as decimal(3, 2)), ' with that in the other studies, over ',
        {{ counted('c.gene_count', 'common gene') }}
    ) as finding
from correlated as c
inner join {{ ref('dim_disease') }} as d on c.disease_key = d.disease_key
inner join {{ ref('dim_study') }} as t on c.study_key = t.study_key
where
    c.r < {{ correlation_min }}e0
    and {{ is_selected_study('t.study_accession_code') }}
