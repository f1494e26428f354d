{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='append_new_columns',
        full_refresh=false,
        meta={'key_is_tested': true},
        pre_hook="{{ in_later_builds(remove_replaced_slices(this), is_alone=true) }}"
    )
}}

select
    p.pair_key,
    i.disease_key,
    i.technology,
    i.organism,
    p.illness_key,
    {%- for name, type, least, greatest, column in words_of(pair_cohort_columns()) %}
    {%- if name == 'r' %}
    {{ tanh_of('p.theta_re') }} as r,
    {%- else %}
    cast(p.{{ column }} as {{ type }}) as {{ name }},
    {%- endif %}
    {%- endfor %}
    i.batch_id,
    {{ utc_now() }} as etl_created_date
from {{ ref('int_pair_cohort') }} as p
inner join {{ ref('int_slice') }} as i on p.slice_no = i.slice_no
