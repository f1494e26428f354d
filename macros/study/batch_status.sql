{#- Hooks of the expression fact. They run in one transaction with its insert, so a batch is LOADED exactly
    when its values are in the fact, even if the build is interrupted. On an engine that commits the insert
    first, the batch stays VALIDATED and the next build replaces its rows. -#}

{#- Pre-hook: deletes the rows of batches that were staged again (a corrected unit, another selection of
    samples, an interrupted build). -#}
{% macro remove_restaged_batches(fact) %}
delete from {{ fact }}
where batch_id in (
    select b.batch_id
    from {{ ref('stg_batch') }} as b
    where b.status = 'VALIDATED' and {{ is_selected_study('b.study_accession_code') }}
)
{% endmacro %}


{#- Pre-hook: if an interrupted first build is resumed, the table is empty, so no batch may be LOADED. -#}
{% macro take_up_fact() %}
{{ take_up_first_build(this.schema, this.identifier, is_columnstore=true, and_then=mark_batches_not_loaded()) }}
{% endmacro %}

{% macro mark_batches_not_loaded() -%}
update {{ source('staging', 'batch') }} set status = 'VALIDATED' where status = 'LOADED';
{%- endmacro %}


{#- Post-hook: marks a batch LOADED if all its values are in the fact. A batch with missing values stays
    VALIDATED, violates rule_fact_reconciles, and is retried by the next build. -#}
{% macro mark_batches_loaded(fact) %}
update {{ source('staging', 'batch') }}
set
    status = 'LOADED',
    loaded_at = {{ utc_now() }},
    loaded_run_id = '{{ run_id() }}'
where
    status = 'VALIDATED'
    and {{ is_selected_study('study_accession_code') }}
    and row_count - null_count - coalesce(merged_count, 0) = (
        select count(*)
        from {{ fact }} as f
        where f.batch_id = {{ source('staging', 'batch') }}.batch_id
    )
{% endmacro %}
