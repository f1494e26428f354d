{{ config(unique_key='sample_accession_code') }}

-- A sample can belong to several studies. The study that brought it first keeps it, so that loading
-- another study never changes it. Among studies of one build, the first by accession keeps it.
with candidates as (
    select
        s.batch_id,
        s.study_accession_code,
        s.sample_accession_code,
        row_number() over (
            partition by s.sample_accession_code
            order by
                {% if is_incremental() -%}
                case when e.sample_key is not null then 0 else 1 end,
                {% endif -%}
                s.study_accession_code
        ) as preference
    from {{ ref('stg_sample') }} as s
    {%- if is_incremental() %}
    inner join {{ ref('dim_study') }} as st on s.study_accession_code = st.study_accession_code
    left join {{ this }} as e on s.sample_accession_code = e.sample_accession_code and st.study_key = e.study_key
    {%- endif %}
    where
        {{ is_selected_study('s.study_accession_code') }}
        {%- if is_incremental() %}
        or e.sample_key is not null
        {%- endif %}
),

incoming as (
    select
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
        st.study_key,
        p.platform_key,
        i.illness_key,
        l.illness_source,
        c.exclude_from_analysis
    from {{ ref('stg_sample') }} as s
    inner join candidates as o
        on
            s.batch_id = o.batch_id
            and s.sample_accession_code = o.sample_accession_code
            and o.preference = 1
    inner join {{ ref('dim_study') }} as st on s.study_accession_code = st.study_accession_code
    inner join {{ ref('stg_sample_config') }} as c
        on s.batch_id = c.batch_id and s.sample_accession_code = c.sample_accession_code
    inner join {{ ref('stg_sample_illness') }} as l
        on s.batch_id = l.batch_id and s.sample_accession_code = l.sample_accession_code
    inner join {{ ref('stg_sample_platform') }} as sp
        on s.batch_id = sp.batch_id and s.sample_accession_code = sp.sample_accession_code
    left join {{ ref('dim_platform') }} as p on sp.platform_accession = p.platform_accession
    left join {{ ref('dim_illness') }} as i on l.illness_label = i.illness_label
    where {{ is_selected_study('s.study_accession_code') }}
),

{{
    scd1(
        'incoming', key='sample_key', natural_key='sample_accession_code',
        attributes=[
            'sample_title', 'sample_organism', 'sample_platform', 'sample_treatment', 'sample_cell_line',
            'sample_tissue', 'is_processed', 'processor_name', 'processor_version', 'study_key',
            'platform_key', 'illness_key', 'illness_source', 'exclude_from_analysis'
        ]
    )
}}
