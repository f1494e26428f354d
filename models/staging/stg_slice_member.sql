-- A table: many models read it, and it takes long to compute.
{{ config(materialized='table') }}

-- Exactly one active mapping: none is 54001, several are 54002, and both leave the study out.
with mapped as (
    select
        study_key,
        min(disease_key) as disease_key
    from {{ ref('study_disease_map') }}
    where is_active = 1
    group by study_key
    having count(*) = 1
),

members as (
    select
        m.disease_key,
        d.sample_technology as technology,
        cast(upper(replace(
            coalesce(nullif(d.sample_organism, ''), nullif(s.study_organism, ''), 'UNKNOWN'), ' ', '_'
        )) as {{ type_code(100) }}) as organism,
        s.study_key,
        s.study_accession_code,
        d.sample_key,
        coalesce(e.same_sample_key, d.sample_key) as same_sample_key,
        d.illness_key,
        d.sample_natural_key,
        d.sample_subject,
        d.sample_time,
        b.batch_id,
        b.loaded_at
    from mapped as m
    inner join {{ ref('dim_study') }} as s on m.study_key = s.study_key
    inner join {{ ref('stg_loaded_batch') }} as b on s.study_accession_code = b.study_accession_code
    inner join {{ ref('stg_sample') }} as n on b.batch_id = n.batch_id
    inner join {{ ref('dim_sample') }} as d on n.sample_natural_key = d.sample_natural_key
    inner join {{ ref('dim_illness') }} as i on d.illness_key = i.illness_key
    left join {{ ref('stg_same_sample') }} as e on d.sample_key = e.sample_key
    where d.exclude_from_analysis = 0 and i.illness_label <> 'UNKNOWN'
),

-- Of a subject's samples in a cohort of a study, the earliest takes part.
ordered as (
    select
        m.*,
        row_number() over (
            partition by
                m.disease_key, m.technology, m.organism, m.study_key, m.illness_key, m.sample_subject,
                case when m.sample_subject is null then m.sample_key end
            order by {{ nulls_last('m.sample_time') }}, m.sample_natural_key
        ) as subject_order
    from members as m
),

-- Of the samples of a study that have the same values, the first takes part.
marked as (
    select
        o.*,
        case when o.subject_order > 1 then 1 else 0 end as is_repeat,
        case
            when
                o.subject_order = 1
                and row_number() over (
                    partition by o.disease_key, o.technology, o.organism, o.study_key, o.same_sample_key
                    order by case when o.subject_order = 1 then 0 else 1 end, o.sample_natural_key
                ) > 1
                then 1
            else 0
        end as is_duplicate
    from ordered as o
),

sized as (
    select
        m.*,
        case when m.is_repeat = 0 and m.is_duplicate = 0 then 0 else 1 end as is_left_out,
        sum(case when m.is_repeat = 0 and m.is_duplicate = 0 then 1 else 0 end) over (
            partition by m.disease_key, m.technology, m.organism, m.study_key
        ) as study_sample_count
    from marked as m
)

select
    disease_key,
    technology,
    organism,
    study_key,
    sample_key,
    illness_key,
    batch_id,
    loaded_at,
    cast(is_repeat as {{ type_flag() }}) as is_repeat,
    cast(is_duplicate as {{ type_flag() }}) as is_duplicate,
    -- The smallest study that has the sample, so that a superseries gives way to its parts.
    first_value(case when is_left_out = 0 then study_key end) over (
        partition by disease_key, technology, organism, same_sample_key
        order by is_left_out, study_sample_count, study_accession_code
    ) as counting_study_key
from sized
