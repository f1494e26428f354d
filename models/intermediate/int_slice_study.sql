select
    i.slice_no,
    cast(row_number() over (partition by i.slice_no order by s.study_key) as integer) as study_no,
    cast(row_number() over (order by i.slice_no, s.study_key) as integer) as slice_study_no,
    s.study_key
from {{ ref('int_slice') }} as i
inner join {{ ref('stg_slice_study') }} as s on {{ same_slice('i', 's') }}
