{#- Hook of the models that are built slice by slice (disease × technology): rows of slices that
    are no more, or whose studies or settings have changed, make room. Rows of the others are
    not touched. -#}
{% macro remove_outdated_slices() %}
{%- if is_incremental() %}
delete from {{ this }}
where not exists (
    select 1
    from {{ ref('stg_slice') }} as s
    where
        s.disease_key = {{ this }}.disease_key
        and s.technology = {{ this }}.technology
        and s.batch_id = {{ this }}.batch_id
)
{%- endif %}
{% endmacro %}


{#- The end of a where clause on `stg_slice`: slices that the model does not have yet. -#}
{% macro is_new_slice(alias) -%}
{%- if is_incremental() -%}
not exists (
    select 1
    from {{ this }} as t
    where t.disease_key = {{ alias }}.disease_key and t.technology = {{ alias }}.technology
)
{%- else -%}
1 = 1
{%- endif -%}
{%- endmacro %}
