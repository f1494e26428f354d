-- One name an accession, over all studies: it does not depend on which study is selected.
with platforms as (
    select
        platform_accession,
        min(platform_name) as platform_name,
        min(manufacturer) as manufacturer,
        min(measurement_technology) as measurement_technology
    from {{ ref('stg_sample_platform') }}
    group by platform_accession
),

incoming as (
    select
        p.platform_accession,
        p.platform_name,
        p.manufacturer,
        p.measurement_technology
    from platforms as p
    where exists (
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
