with overrides as (
    {{ json_object_rows(ref('stg_batch'), ['batch_id'], 'config_snapshot', '$.illness_overrides') | indent(4) }}
),

included as (
    {{ json_array_rows(ref('stg_batch'), ['batch_id'], 'config_snapshot', '$.include') | indent(4) }}
),

excluded as (
    {{ json_array_rows(ref('stg_batch'), ['batch_id'], 'config_snapshot', '$.exclude') | indent(4) }}
),

subjects as (
    {{ json_object_rows(ref('stg_batch'), ['batch_id'], 'config_snapshot', '$.subjects') | indent(4) }}
),

times as (
    {{ json_object_rows(ref('stg_batch'), ['batch_id'], 'config_snapshot', '$.times') | indent(4) }}
),

-- Studies with an include list, which excludes all samples that are not on it.
listing as (
    select distinct batch_id
    from included
)

select
    s.batch_id,
    s.sample_accession_code,
    cast(o.content as {{ type_code(50) }}) as illness_override,
    cast(
        case
            when x.content is not null then 1
            when l.batch_id is not null and i.content is null then 1
            else 0
        end as {{ type_flag() }}
    ) as exclude_from_analysis,
    cast(u.content as {{ type_text(200) }}) as sample_subject,
    cast(t.content as float(53)) as sample_time
from {{ ref('stg_sample') }} as s
left join overrides as o on s.batch_id = o.batch_id and s.sample_accession_code = cast(o.name as {{ type_code(50) }})
left join included as i on s.batch_id = i.batch_id and s.sample_accession_code = cast(i.content as {{ type_code(50) }})
left join excluded as x on s.batch_id = x.batch_id and s.sample_accession_code = cast(x.content as {{ type_code(50) }})
left join subjects as u on s.batch_id = u.batch_id and s.sample_accession_code = cast(u.name as {{ type_code(50) }})
left join times as t on s.batch_id = t.batch_id and s.sample_accession_code = cast(t.name as {{ type_code(50) }})
left join listing as l on s.batch_id = l.batch_id
