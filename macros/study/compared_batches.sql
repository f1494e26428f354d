{#- Hooks of the tables that compare samples by their values. Rows hold for the values that were in the fact
    when they were computed. -#}

{#- Pre-hook: deletes the rows of batches that are no longer loaded, or whose values came into the fact later.

    columns  the columns of the table that name a batch -#}
{% macro remove_stale_comparisons(relation, columns) %}
delete from {{ relation }}
where
    {%- for column in columns %}
    {{ 'or ' if not loop.first }}not exists (
        select 1
        from {{ ref('stg_loaded_batch') }} as l
        where l.batch_id = {{ relation }}.{{ column }} and l.loaded_at <= {{ relation }}.etl_created_date
    )
    {%- endfor %}
{% endmacro %}


{#- Post-hooks: the batches of this run are compared, and the values that they were compared by are not kept. -#}
{% macro mark_batches_compared() %}
update {{ ref('meta_compared_gene') }}
set is_compared = 1
where
    is_compared = 0
    and study_key in (
        select s.study_key
        from {{ ref('dim_study') }} as s
        where {{ is_selected_study('s.study_accession_code') }}
    )
{% endmacro %}

{% macro empty_compared_values() %}
{%- if not var('keep_intermediate') %}
truncate table {{ ref('int_compared_value') }}
{%- endif %}
{% endmacro %}
