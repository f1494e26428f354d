with platform_texts as (
    select
        s.batch_id,
        s.sample_accession_code,
        st.study_technology,
        coalesce(nullif(ltrim(rtrim(s.sample_platform)), ''), 'UNKNOWN') as platform_text
    from {{ ref('stg_sample') }} as s
    inner join {{ ref('stg_study') }} as st on s.batch_id = st.batch_id
),

-- `Name (Accession)`: position of the last opening parenthesis, counted from the end.
parenthesised as (
    select
        batch_id,
        sample_accession_code,
        study_technology,
        platform_text,
        case when right(platform_text, 1) = ')' then {{ position_of("'('", 'reverse(platform_text)') }} else 0 end as tail_length
    from platform_texts
),

parsed as (
    select
        batch_id,
        sample_accession_code,
        study_technology,
        case
            when tail_length > 2 and len(platform_text) > tail_length
                then ltrim(rtrim(substring(platform_text, len(platform_text) - tail_length + 2, tail_length - 2)))
            else platform_text
        end as platform_accession,
        case
            when tail_length > 2 and len(platform_text) > tail_length
                then ltrim(rtrim(left(platform_text, len(platform_text) - tail_length)))
            else platform_text
        end as platform_name
    from parenthesised
),

distinct_platforms as (
    select distinct
        platform_accession,
        platform_name
    from parsed
),

lookups as (
    select
        d.platform_accession,
        d.platform_name,
        l.manufacturer,
        nullif(l.measurement_technology, '') as measurement_technology,
        row_number() over (
            partition by d.platform_accession, d.platform_name
            order by l.lookup_order
        ) as lookup_place
    from distinct_platforms as d
    inner join {{ ref('platform_lookup') }} as l
        on
            (l.match_on = 'accession' and lower(d.platform_accession) = l.match_value)
            or (l.match_on = 'name' and {{ position_of('l.match_value', 'lower(d.platform_name)') }} > 0)
)

select
    p.batch_id,
    p.sample_accession_code,
    cast(p.platform_accession as {{ type_text(100) }}) as platform_accession,
    cast(p.platform_name as {{ type_text(300) }}) as platform_name,
    cast(coalesce(l.manufacturer, 'Unknown') as {{ type_code(100) }}) as manufacturer,
    cast(coalesce(l.measurement_technology, p.study_technology) as {{ type_code(20) }}) as measurement_technology
from parsed as p
left join lookups as l
    on
        p.platform_accession = l.platform_accession
        and p.platform_name = l.platform_name
        and l.lookup_place = 1
