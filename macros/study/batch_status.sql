{#- Hooks of the expression fact. They run in one transaction with its insert, so a batch is
    LOADED exactly when its rows are in the fact, whatever interrupts the build; on an engine
    that commits the insert first, the batch stays STAGED and the next build replaces its rows. -#}

{#- Before: rows of batches that are staged again (a corrected unit, another choice of samples,
    an interrupted build) make room. -#}
{% macro remove_restaged_batches() %}
{%- if is_incremental() %}
delete from {{ this }}
where batch_id in (
    select batch_id
    from {{ source('staging', 'batch') }}
    where status = 'STAGED' and {{ is_selected_study('study_accession_code') }}
)
{%- endif %}
{% endmacro %}


{#- After: staged batches whose values are all in the fact are LOADED. One that lacks some stays
    STAGED, fails assert_fact_reconciles, and is tried anew by the next build. -#}
{% macro mark_batches_loaded() %}
update {{ source('staging', 'batch') }}
set status = 'LOADED'
where
    status = 'STAGED'
    and {{ is_selected_study('study_accession_code') }}
    and row_count - null_count = (
        select count(*)
        from {{ this }} as f
        where f.batch_id = {{ source('staging', 'batch') }}.batch_id
    )
{% endmacro %}
