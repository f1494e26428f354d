{#- Pre-hook of fact_feature_values: deletes rows that this run recomputes, and rows of studies, slices and
    runs that no longer exist. Other rows are not touched.

    A statement per condition, as in remove_replaced_slices.

    {{ remove_replaced_features(this) }}  ->  delete from fact.fact_feature_values where … -#}
{% macro remove_replaced_features(fact) %}
{%- set studies, slices = ref('int_feature_study'), ref('int_feature_slice') %}
{%- set loaded, existing = ref('stg_loaded_batch'), ref('stg_slice') %}
{%- set dim_study, staged = ref('dim_study'), ref('stg_feature_value') %}
{%- set of_study = 'feature_run_id is null and study_key is not null' %}
{%- set of_slice = 'feature_run_id is null and study_key is null' %}
delete from {{ fact }}
where
    {{ of_study }}
    and exists (select 1 from {{ studies }} as s where s.study_key = {{ fact }}.study_key);
delete from {{ fact }}
where
    {{ of_study }}
    and not exists (
        select 1
        from {{ loaded }} as l
        inner join {{ dim_study }} as d on l.study_accession_code = d.study_accession_code
        where d.study_key = {{ fact }}.study_key and l.batch_id = {{ fact }}.batch_id
    );
delete from {{ fact }}
where
    {{ of_slice }}
    and exists (select 1 from {{ slices }} as s where {{ same_slice('s', fact) }});
delete from {{ fact }}
where
    {{ of_slice }}
    and not exists (select 1 from {{ existing }} as e where {{ same_slice('e', fact) }});
delete from {{ fact }}
where
    feature_run_id is not null
    and not exists (select 1 from {{ staged }} as v where v.feature_run_id = {{ fact }}.feature_run_id);
{% endmacro %}
