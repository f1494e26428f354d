{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='append_new_columns',
        full_refresh=false,
        pre_hook="{{ in_later_builds(remove_replaced_slices(this), is_alone=true) }}"
    )
}}
{#- More pairs than this change nothing, and the rows compared grow with the square of the studies. -#}
{%- set pair_count_max = 1000 %}
{%- set study = ['slice_no', 'illness_key'] %}

-- 1. Up to 1,000 pairs of each slice, spread over its genes. Ids, since keys follow the order in which studies came.
with numbered as (
    select
        p.slice_no,
        p.pair_key,
        row_number() over (partition by p.slice_no order by least(a.gene_id, b.gene_id), greatest(a.gene_id, b.gene_id)) as pair_no,
        count(*) over (partition by p.slice_no) as pair_count
    from {{ ref('int_slice_pair') }} as p
    inner join {{ ref('dim_gene') }} as a on p.gene_a_key = a.gene_key
    inner join {{ ref('dim_gene') }} as b on p.gene_b_key = b.gene_key
),

estimates as {{ materialized() }}(
    select
        e.slice_no,
        e.illness_key,
        e.study_no,
        e.pair_key,
        e.theta,
        e.se
    from {{ ref('int_study_pair_cohort') }} as e
    inner join numbered as n on e.slice_no = n.slice_no and e.pair_key = n.pair_key
    where (n.pair_no * {{ pair_count_max }}) % n.pair_count < {{ pair_count_max }}
),

-- 2. How much any two studies differ in them, in units of what their errors alone make.
compared as (
    select
        {{ group_columns(study, 'a') }},
        a.study_no as study_no_1,
        b.study_no as study_no_2,
        count(*) as pair_count,
        avg((a.theta - b.theta) * (a.theta - b.theta) / (a.se * a.se + b.se * b.se)) as variance_ratio
    from estimates as a
    inner join estimates as b on {{ same_group(study + ['pair_key'], 'a', 'b') }} and a.study_no < b.study_no
    group by {{ group_columns(study, 'a') }}, a.study_no, b.study_no
)

select
    i.disease_key,
    i.technology,
    i.organism,
    c.illness_key,
    s1.study_key as study_key_1,
    s2.study_key as study_key_2,
    cast(c.pair_count as integer) as pair_count,
    c.variance_ratio,
    i.batch_id,
    {{ utc_now() }} as etl_created_date
from compared as c
inner join {{ ref('int_slice') }} as i on c.slice_no = i.slice_no
inner join {{ ref('int_slice_study') }} as s1 on c.slice_no = s1.slice_no and c.study_no_1 = s1.study_no
inner join {{ ref('int_slice_study') }} as s2 on c.slice_no = s2.slice_no and c.study_no_2 = s2.study_no
