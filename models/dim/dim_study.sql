{{ config(unique_key='study_accession_code') }}

-- Runs after the source rules, which quarantine batches that violate one.
-- depends_on: {{ ref('int_source_finding') }}
with study_platforms as (
    select distinct
        batch_id,
        platform_name
    from {{ ref('stg_sample_platform') }}
),

platform_summaries as (
    select
        batch_id,
        {{ sorted_list('platform_name') }} as platform_summary
    from study_platforms
    group by batch_id
),

incoming as (
    select
        s.study_accession_code,
        s.batch_id as current_batch_id,
        s.study_title,
        s.study_pubmed_id,
        s.study_technology,
        s.study_organism,
        s.study_description,
        s.study_unit_tag,
        s.created_date,
        s.source_first_published,
        s.source_last_modified,
        cast(p.platform_summary as {{ type_text(500) }}) as study_platform_summary
    from {{ ref('stg_study') }} as s
    -- stg_study is from before the rules; this view no longer has what they quarantined.
    inner join {{ ref('stg_batch') }} as b on s.batch_id = b.batch_id
    left join platform_summaries as p on s.batch_id = p.batch_id
    where {{ is_selected_study('s.study_accession_code') }}
),

{{
    scd1(
        'incoming', key='study_key', natural_key='study_accession_code',
        attributes=[
            'current_batch_id', 'study_title', 'study_pubmed_id', 'study_technology', 'study_organism',
            'study_platform_summary', 'study_description', 'study_unit_tag', 'created_date',
            'source_first_published', 'source_last_modified'
        ]
    )
}}
