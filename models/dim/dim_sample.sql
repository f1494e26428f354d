{{ config(unique_key='sample_natural_key', pre_hook="{{ add_sample_natural_keys() }}") }}

-- The samples of the batches that dim_study holds. The selected studies bring their samples; another study of
-- a shared sample still takes part in describing it.
with described as (
    select
        s.batch_id,
        s.study_accession_code,
        s.sample_accession_code,
        s.sample_natural_key,
        st.study_key,
        st.study_technology,
        l.illness_label,
        l.illness_source,
        -- 1. The newest metadata win. If they are equally old, the study that brought the sample first
        -- keeps it, so that loading another study does not change it.
        row_number() over (
            partition by s.sample_natural_key
            order by
                b.created_at desc,
                {% if is_incremental() -%}
                case when e.sample_key is not null then 0 else 1 end,
                {% endif -%}
                s.study_accession_code
        ) as metadata_order,
        -- 2. An override decides the label, whichever study has it; UNKNOWN gives way to any other label.
        row_number() over (
            partition by s.sample_natural_key
            order by
                case when c.illness_override is not null then 0 when l.illness_label <> 'UNKNOWN' then 1 else 2 end,
                b.created_at desc,
                {% if is_incremental() -%}
                case when e.sample_key is not null then 0 else 1 end,
                {% endif -%}
                s.study_accession_code
        ) as label_order,
        -- 3. The newest settings that name the sample's subject.
        row_number() over (
            partition by s.sample_natural_key
            order by case when c.sample_subject is not null then 0 else 1 end, b.created_at desc, s.study_accession_code
        ) as subject_order,
        c.sample_subject,
        c.sample_time,
        -- 4. Excluded in one of its studies, a sample is excluded in all.
        max(cast(c.exclude_from_analysis as integer)) over (partition by s.sample_natural_key) as is_excluded,
        max(case when {{ is_selected_study('s.study_accession_code') }} then 1 else 0 end) over (
            partition by s.sample_natural_key
        ) as is_selected
    from {{ ref('stg_sample') }} as s
    inner join {{ ref('stg_batch') }} as b on s.batch_id = b.batch_id
    inner join {{ ref('dim_study') }} as st on s.batch_id = st.current_batch_id
    inner join {{ ref('stg_sample_config') }} as c
        on s.batch_id = c.batch_id and s.sample_accession_code = c.sample_accession_code
    inner join {{ ref('stg_sample_illness') }} as l
        on s.batch_id = l.batch_id and s.sample_accession_code = l.sample_accession_code
    {%- if is_incremental() %}
    left join {{ this }} as e on s.sample_natural_key = e.sample_natural_key and st.study_key = e.study_key
    {%- endif %}
),

incoming as (
    select
        s.sample_natural_key,
        s.sample_accession_code,
        s.sample_title,
        s.sample_organism,
        s.sample_platform,
        s.sample_treatment,
        s.sample_cell_line,
        s.sample_tissue,
        s.is_processed,
        s.processor_name,
        s.processor_version,
        cast(case when u.sample_subject is not null then concat(u.study_accession_code, ' ', u.sample_subject) end as {{ type_text(251) }}) as sample_subject,
        u.sample_time,
        o.study_key,
        case when sp.measurement_technology = 'OTHER' then o.study_technology else sp.measurement_technology end as sample_technology,
        p.platform_key,
        i.illness_key,
        l.illness_source,
        cast(o.is_excluded as {{ type_flag() }}) as exclude_from_analysis
    from described as o
    inner join {{ ref('stg_sample') }} as s
        on o.batch_id = s.batch_id and o.sample_accession_code = s.sample_accession_code
    inner join described as l on o.sample_natural_key = l.sample_natural_key and l.label_order = 1
    inner join described as u on o.sample_natural_key = u.sample_natural_key and u.subject_order = 1
    inner join {{ ref('stg_sample_platform') }} as sp
        on s.batch_id = sp.batch_id and s.sample_accession_code = sp.sample_accession_code
    left join {{ ref('dim_platform') }} as p on sp.platform_accession = p.platform_accession
    left join {{ ref('dim_illness') }} as i on l.illness_label = i.illness_label
    where o.metadata_order = 1 and o.is_selected = 1
),

{{
    scd1(
        'incoming', key='sample_key', natural_key='sample_natural_key',
        attributes=[
            'sample_accession_code', 'sample_title', 'sample_organism', 'sample_platform', 'sample_treatment',
            'sample_cell_line', 'sample_tissue', 'is_processed', 'processor_name', 'processor_version', 'sample_subject',
            'sample_time', 'study_key',
            'sample_technology', 'platform_key', 'illness_key', 'illness_source', 'exclude_from_analysis'
        ]
    )
}}
