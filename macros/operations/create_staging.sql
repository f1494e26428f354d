{#- Creates the staging tables if they are missing. Existing tables stay and get columns for new metrics.

    Runs at the start of each dbt run and of each load by `python -m loader`, which renders this same file:
    the loader has no DDL of its own. models/staging/sources.yml documents the columns. -#}
{% macro create_staging() %}
{%- set staging = schema_name('staging') -%}
{{ create_schema_if_absent(staging) }};

{{ create_table_if_absent(staging ~ '.batch', staging_batch_columns()) }};

{{ create_table_if_absent(staging ~ '.study_metadata', staging_study_metadata_columns()) }};

{{ create_expression_rows(staging) }}

{{ create_table_if_absent(staging ~ '.symbol_hint', staging_symbol_hint_columns()) }};

{{ create_table_if_absent(staging ~ '.pair_metrics', staging_pair_metrics_columns()) }};

{{ create_table_if_absent(staging ~ '.feature_values', staging_feature_values_columns()) }};

{{ create_table_if_absent(staging ~ '.pair_scores', staging_pair_scores_columns()) }};

{{ create_table_if_absent(staging ~ '.screened_pairs', staging_screened_pairs_columns()) }};

{{ create_table_if_absent(staging ~ '.screened_contrasts', staging_screened_contrasts_columns()) }};

{{ create_table_if_absent(staging ~ '.calibration', staging_calibration_columns()) }};

{{ create_table_if_absent(staging ~ '.disease_definition', staging_disease_definition_columns()) }};

{{ create_table_if_absent(staging ~ '.annotation_file', staging_annotation_file_columns()) }};

{{ create_table_if_absent(staging ~ '.annotation_value', staging_annotation_value_columns()) }};
{{ columnstore_if_absent(staging ~ '.annotation_value', 'cci_annotation_value') }}
{#- Warehouses of earlier versions lack these columns. #}
{{ add_column_if_absent(staging ~ '.batch', 'quarantine_reason', type_text()) }};
{{ add_column_if_absent(staging ~ '.batch', 'released_by', type_text(100)) }};
{{ add_column_if_absent(staging ~ '.batch', 'loaded_run_id', type_code(36)) }};
{{ add_column_if_absent(staging ~ '.batch', 'layout', type_text()) }};
{{ add_column_if_absent(staging ~ '.batch', 'gene_id_form', type_code(20)) }};
{{ add_column_if_absent(staging ~ '.batch', 'dropped_count', 'bigint') }};
{{ add_column_if_absent(staging ~ '.batch', 'merged_count', 'bigint') }};
{{ add_column_if_absent(staging ~ '.batch', 'above_30_count', 'bigint') }};
{{ add_column_if_absent(staging ~ '.batch', 'fact_checked_at', type_instant()) }};
{{ add_column_if_absent(staging ~ '.batch', 'values_judged_at', type_instant()) }};
{{ add_column_if_absent(staging ~ '.batch', 'values_judged_by', type_text(500)) }};
{{ add_column_if_absent(staging ~ '.feature_values', 'batch_id', type_code(64)) }};
{%- for line in pair_metric_columns().split('\n') if line.strip() %}
{{ add_column_if_absent(staging ~ '.pair_metrics', line.split()[0], line.split()[1]) }};
{%- endfor %}
{% endmacro %}


{% macro staging_batch_columns() %}
    batch_id {{ type_code(64) }} not null{{ primary_key() }},
    study_accession_code {{ type_code(50) }} not null,
    file_name {{ type_text(260) }} not null,
    file_hash {{ type_code(64) }} not null,
    file_size bigint not null,
    created_at {{ type_instant() }} null,
    staged_at {{ type_instant() }} not null,
    row_count bigint not null,
    gene_count bigint not null,
    sample_count bigint not null,
    null_count bigint not null,
    zero_count bigint not null,
    value_min float(53) null,
    value_max float(53) null,
    is_whole_numbers {{ type_flag() }} not null,
    status {{ type_code(16) }} not null,
    loaded_at {{ type_instant() }} null,
    config_snapshot {{ type_text() }} not null,
    quarantine_reason {{ type_text() }} null,
    released_by {{ type_text(100) }} null,
    loaded_run_id {{ type_code(36) }} null,
    layout {{ type_text() }} null,
    gene_id_form {{ type_code(20) }} null,
    dropped_count bigint null,
    merged_count bigint null,
    above_30_count bigint null,
    fact_checked_at {{ type_instant() }} null,
    values_judged_at {{ type_instant() }} null,
    values_judged_by {{ type_text(500) }} null
{% endmacro %}


{% macro staging_study_metadata_columns() %}
    batch_id {{ type_code(64) }} not null{{ primary_key() }},
    study_accession_code {{ type_code(50) }} not null,
    metadata_json {{ type_text() }} not null
{% endmacro %}


{% macro staging_expression_rows_columns() %}
    study_accession_code {{ type_code(50) }} not null,
    batch_id {{ type_code(64) }} not null,
    gene_id {{ type_code(50) }} not null,
    sample_accession_code {{ type_code(50) }} not null,
    expression_value float(53) null,
    line_no bigint not null,
    file_name {{ type_text(260) }} not null,
    file_hash {{ type_code(64) }} not null
{% endmacro %}


{#- Symbols that a matrix has beside its gene ids. No key, for the same reason as in pair_metrics. -#}
{% macro staging_symbol_hint_columns() %}
    batch_id {{ type_code(64) }} not null,
    line_no bigint not null,
    gene_symbol {{ type_code(50) }} not null
{% endmacro %}


{#- No key: a load deletes and inserts rows in one transaction, which DuckDB rejects on a table with a key. -#}
{% macro staging_pair_metrics_columns() %}
    batch_id {{ type_code(64) }} not null,
    disease_label {{ type_code(64) }} not null,
    technology {{ type_code(16) }} not null,
    organism {{ type_code(100) }} not null,
    gene_a_key integer not null,
    gene_b_key integer not null,
    csv_override {{ type_flag() }} not null,
    {%- for line in pair_metric_columns().split('\n') if line.strip() %}
    {{ line.split()[0] }} {{ line.split()[1] }} null,
    {%- endfor %}
    line_no bigint not null,
    file_name {{ type_text(260) }} not null,
    file_hash {{ type_code(64) }} not null,
    staged_at {{ type_instant() }} not null
{% endmacro %}


{#- Features that `expression-warehouse pairs` computed, for fact_feature_values. -#}
{% macro staging_feature_values_columns() %}
    feature_run_id {{ type_code(36) }} not null,
    entity_scope {{ type_code(16) }} not null,
    entity_id_1 bigint not null,
    entity_id_2 bigint null,
    study_key integer null,
    feature_name {{ type_code(100) }} not null,
    feature_value float(53) null,
    batch_id {{ type_code(64) }} null
{% endmacro %}


{#- Scores that `expression-warehouse pairs rank` computed, for fact_gene_pair_metrics. -#}
{% macro staging_pair_scores_columns() %}
    feature_run_id {{ type_code(36) }} not null,
    batch_id {{ type_code(64) }} not null,
    disease_label {{ type_code(64) }} not null,
    technology {{ type_code(16) }} not null,
    organism {{ type_code(100) }} not null,
    pair_key integer not null,
    unsupervised_score float(53) null,
    new_rank_score float(53) null
{% endmacro %}


{#- The pairs that `expression-warehouse pairs screen` kept out of all it tested. No key, for the same
    reason as in pair_metrics. -#}
{% macro staging_screened_pairs_columns() %}
    feature_run_id {{ type_code(36) }} not null,
    disease_label {{ type_code(64) }} not null,
    technology {{ type_code(16) }} not null,
    organism {{ type_code(100) }} not null,
    studies_hash {{ type_code(64) }} not null,
    gene_a_key integer not null,
    gene_b_key integer not null,
    is_watched {{ type_flag() }} not null,
    pairs_tested bigint not null,
    q_combined float(53) null,
    q_combined_dependent float(53) null
{% endmacro %}


{#- What `expression-warehouse pairs calibrate` measured. -#}
{% macro staging_calibration_columns() %}
    feature_run_id {{ type_code(36) }} not null,
    disease_label {{ type_code(64) }} not null,
    technology {{ type_code(16) }} not null,
    organism {{ type_code(100) }} not null,
    studies_hash {{ type_code(64) }} not null,
    null_hypothesis {{ type_code(16) }} not null,
    planted_effect float(53) null,
    test {{ type_code(30) }} not null,
    draws integer not null,
    pairs_tested float(53) not null,
    share_p05 float(53) null,
    share_p05_error float(53) null,
    share_p001 float(53) null,
    share_p001_error float(53) null,
    draws_found integer null,
    mean_found float(53) null,
    power float(53) null,
    power_error float(53) null
{% endmacro %}


{#- Their contrasts: what the screen tested, and the false discovery rates over all pairs. -#}
{% macro staging_screened_contrasts_columns() %}
    feature_run_id {{ type_code(36) }} not null,
    disease_label {{ type_code(64) }} not null,
    technology {{ type_code(16) }} not null,
    organism {{ type_code(100) }} not null,
    gene_a_key integer not null,
    gene_b_key integer not null,
    contrast {{ type_code(16) }} not null,
    n_studies integer not null,
    z float(53) null,
    t_hk float(53) null,
    tests bigint not null,
    tests_hk bigint not null,
    p float(53) null,
    q float(53) null,
    p_hk float(53) null,
    q_hk float(53) null,
    p_hk_adhoc float(53) null,
    q_hk_adhoc float(53) null,
    q_pair float(53) null
{% endmacro %}


{#- Diseases that pipeline.yaml defines: labels, phrases and contrasts as JSON. -#}
{% macro staging_disease_definition_columns() %}
    disease_label {{ type_code(64) }} not null{{ primary_key() }},
    definition_json {{ type_text() }} not null
{% endmacro %}


{#- The bulk file of each kind whose values are loaded. No key, for the same reason as in pair_metrics. -#}
{% macro staging_annotation_file_columns() %}
    bulk_file {{ type_code(50) }} not null,
    file_name {{ type_text(260) }} not null,
    file_hash {{ type_code(64) }} not null,
    file_size bigint not null,
    version {{ type_text(100) }} null,
    url {{ type_text(500) }} null,
    parser_hash {{ type_code(64) }} not null,
    published_at {{ type_instant() }} null,
    loaded_at {{ type_instant() }} not null,
    value_count bigint not null,
    gene_count bigint not null
{% endmacro %}


{#- Values of genes, as the files have them. No key, for the same reason. -#}
{% macro staging_annotation_value_columns() %}
    bulk_file {{ type_code(50) }} not null,
    id_type {{ type_code(20) }} not null,
    gene_ref {{ type_code(50) }} not null,
    attribute {{ type_code(50) }} not null,
    item {{ type_text(200) }} not null,
    value {{ type_text(4000) }} null,
    number float(53) null
{% endmacro %}
