-- The label that each study's metadata give to a shared sample, and the text that gives it.
with labels as (
    select
        b.batch_id,
        b.study_accession_code,
        n.sample_accession_code,
        n.sample_natural_key,
        l.illness_label,
        i.illness_label as applied_label,
        case l.illness_source
            when 'title' then n.sample_title
            when 'disease' then n.sample_disease
            when 'disease_stage' then n.sample_disease_stage
            when 'subject' then n.sample_subject
            else l.inferred_from_phrase
        end as label_text,
        row_number() over (
            partition by n.sample_natural_key, l.illness_label
            order by b.study_accession_code
        ) as study_order
    from {{ ref('stg_sample') }} as n
    inner join {{ ref('stg_batch') }} as b on n.batch_id = b.batch_id
    inner join {{ ref('stg_sample_illness') }} as l
        on n.batch_id = l.batch_id and n.sample_accession_code = l.sample_accession_code
    inner join {{ ref('dim_sample') }} as m on n.sample_natural_key = m.sample_natural_key
    inner join {{ ref('dim_illness') }} as i on m.illness_key = i.illness_key
    where m.illness_source <> 'override' and l.illness_source not in ('override', 'none')
)

select
    'TRANSFORMATION_SHARED_SAMPLE_LABELS' as validation_code,
    o.batch_id,
    o.study_accession_code,
    o.sample_accession_code as subject,
    concat(
        o.illness_label, ' by "', left(o.label_text, 120), '"; ', w.study_accession_code, ' has ', w.illness_label,
        ' by "', left(w.label_text, 120), '", which applies'
    ) as finding
from labels as o
inner join labels as w on o.sample_natural_key = w.sample_natural_key and w.illness_label = w.applied_label and w.study_order = 1
where
    o.illness_label <> o.applied_label
    and {{ is_selected_study('o.study_accession_code') }}
