{{ config(unique_key='contrast_natural_key') }}

with incoming as (
    select
        c.contrast_natural_key,
        d.disease_key,
        c.contrast,
        c.case_labels,
        c.reference_labels,
        c.is_primary,
        c.description
    from {{ ref('stg_contrast') }} as c
    inner join {{ ref('dim_disease') }} as d on c.disease_label = d.disease_label
),

{{
    scd1(
        'incoming', key='contrast_key', natural_key='contrast_natural_key',
        attributes=['disease_key', 'contrast', 'case_labels', 'reference_labels', 'is_primary', 'description']
    )
}}
