with overrides as (
    select
        b.batch_id,
        o.name as sample_accession_code,
        o.content as illness_override
    from {{ ref('stg_batch') }} as b
    {{ json_members('b.config_snapshot', '$.illness_overrides', 'o') }}
),

included as (
    select
        b.batch_id,
        i.content as sample_accession_code
    from {{ ref('stg_batch') }} as b
    {{ json_members('b.config_snapshot', '$.include', 'i') }}
),

excluded as (
    select
        b.batch_id,
        x.content as sample_accession_code
    from {{ ref('stg_batch') }} as b
    {{ json_members('b.config_snapshot', '$.exclude', 'x') }}
),

-- Studies with an include list: what is not on it is out.
listing as (
    select distinct batch_id
    from included
)

select
    s.batch_id,
    s.sample_accession_code,
    cast(o.illness_override as {{ type_code(50) }}) as illness_override,
    cast(
        case
            when x.sample_accession_code is not null then 1
            when l.batch_id is not null and i.sample_accession_code is null then 1
            else 0
        end as {{ type_flag() }}
    ) as exclude_from_analysis
from {{ ref('stg_sample') }} as s
left join overrides as o on s.batch_id = o.batch_id and s.sample_accession_code = o.sample_accession_code
left join included as i on s.batch_id = i.batch_id and s.sample_accession_code = i.sample_accession_code
left join excluded as x on s.batch_id = x.batch_id and s.sample_accession_code = x.sample_accession_code
left join listing as l on s.batch_id = l.batch_id
