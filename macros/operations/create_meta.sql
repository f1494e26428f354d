{#- Creates the log tables of schema meta, and the audit table of reviews, if they are missing. Runs at the
    start of each dbt run and of each load by `python -m loader`, which renders this same file.
    models/meta/sources.yml and models/analytics/sources.yml document the columns. -#}
{% macro create_meta() %}
{%- set meta = schema_name('meta') -%}
{{ create_schema_if_absent(meta) }};

{{ create_table_if_absent(meta ~ '.meta_etl_process_log', meta_etl_process_log_columns()) }};

{{ create_table_if_absent(meta ~ '.meta_data_validation_log', meta_data_validation_log_columns()) }};

{{ create_table_if_absent(meta ~ '.meta_feature_run', meta_feature_run_columns()) }};

{{ create_table_if_absent(meta ~ '.meta_last_build', meta_last_build_columns()) }};
{#- Warehouses of earlier versions lack this column. #}
{{ add_column_if_absent(meta ~ '.meta_feature_run', 'organism', type_code(100)) }};

{%- set analytics = schema_name('analytics') %}
{{ create_schema_if_absent(analytics) }};

{{ create_table_if_absent(analytics ~ '.llm_reviews', llm_reviews_columns()) }};
{% endmacro %}


{#- Reviews of pairs. Rows are only added. Genes are named by their ids too: keys of pairs change if a
    warehouse is made anew. -#}
{% macro llm_reviews_columns() %}
    review_id {{ type_code(36) }} not null{{ primary_key() }},
    pair_key integer not null,
    gene_a_id {{ type_code(50) }} not null,
    gene_b_id {{ type_code(50) }} not null,
    verdict {{ type_code(16) }} not null,
    rationale {{ type_text() }} not null,
    reviewer {{ type_text(100) }} not null,
    model {{ type_text(100) }} null,
    disease_label {{ type_code(64) }} null,
    snapshot_version {{ type_code(100) }} not null,
    api_key_id {{ type_code(16) }} not null,
    created_at {{ type_instant() }} not null,
    loaded_at {{ type_instant() }} not null
{% endmacro %}


{#- No key: the log must never reject an event. -#}
{% macro meta_etl_process_log_columns() %}
    run_id {{ type_code(36) }} not null,
    batch_id {{ type_code(64) }} null,
    step {{ type_text(300) }} not null,
    status {{ type_text(16) }} not null,
    attempt integer not null,
    started_at {{ type_instant() }} not null,
    ended_at {{ type_instant() }} null,
    rows_read bigint null,
    rows_written bigint null,
    error_code integer null,
    error_message {{ type_text() }} null,
    context_json {{ type_text() }} null
{% endmacro %}


{% macro meta_data_validation_log_columns() %}
    run_id {{ type_code(36) }} not null,
    batch_id {{ type_code(64) }} null,
    study_key integer null,
    validation_code {{ type_text(64) }} not null,
    severity {{ type_text(16) }} not null,
    details {{ type_text() }} null,
    created_at {{ type_instant() }} not null
{% endmacro %}


{#- Runs of `expression-warehouse pairs`; the rows that a run staged carry its id. -#}
{% macro meta_feature_run_columns() %}
    feature_run_id {{ type_code(36) }} not null,
    kind {{ type_code(16) }} not null,
    disease_label {{ type_code(64) }} null,
    technology {{ type_code(16) }} null,
    organism {{ type_code(100) }} null,
    seed bigint null,
    parameters_json {{ type_text() }} not null,
    versions_json {{ type_text() }} not null,
    study_count integer null,
    gene_count integer null,
    pairs_tested bigint null,
    started_at {{ type_instant() }} not null,
    ended_at {{ type_instant() }} not null
{% endmacro %}


{#- What the warehouse was last built from (last_build.sql). -#}
{% macro meta_last_build_columns() %}
    run_id {{ type_code(36) }} not null,
    project_hash {{ type_code(64) }} not null,
    inputs_hash {{ type_code(64) }} not null,
    selected_studies {{ type_text() }} not null,
    ended_at {{ type_instant() }} null
{% endmacro %}
