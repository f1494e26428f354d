{{ config(unique_key='platform_accession') }}

-- Runs after the source rules, which quarantine batches that violate one.
-- depends_on: {{ ref('int_source_finding') }}
-- One row per accession, picked from all studies, so that `--select` cannot change it.
with spellings as (
    select
        platform_accession,
        platform_name,
        manufacturer,
        measurement_technology,
        row_number() over (
            partition by platform_accession
            order by platform_name, manufacturer, measurement_technology
        ) as preference
    from {{ ref('stg_sample_platform') }}
),

incoming as (
    select
        p.platform_accession,
        p.platform_name,
        p.manufacturer,
        p.measurement_technology
    from spellings as p
    where p.preference = 1 and exists (
        select 1
        from {{ ref('stg_sample_platform') }} as s
        inner join {{ ref('stg_batch') }} as b on s.batch_id = b.batch_id
        where s.platform_accession = p.platform_accession and {{ is_selected_study('b.study_accession_code') }}
    )
),

{{
    scd1(
        'incoming', key='platform_key', natural_key='platform_accession',
        attributes=['platform_name', 'manufacturer', 'measurement_technology']
    )
}}
