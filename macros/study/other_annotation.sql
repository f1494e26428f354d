{#- Pre-hook of fact_gene_annotation: if the bulk files are not those that its rows came from, deletes the rows.
    -#}
{% macro remove_other_annotation() %}
{#- Rendered outside the condition, so that dbt sees the model's dependencies. -#}
{%- set statement = remove_other_annotation_from(this) %}
{%- if is_incremental() %}
{{ statement }}
{%- endif %}
{% endmacro %}

{% macro remove_other_annotation_from(fact) %}
delete from {{ fact }}
where annotation_id <> (select s.annotation_id from {{ ref('stg_annotation_state') }} as s)
{% endmacro %}
