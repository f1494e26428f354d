{#- staging.expression_rows, the rows of the matrices. On SQL Server it is a table. On DuckDB most of the time of a
    load would go into compressing texts that repeat, so it is a view there:

    matrix_value    line_key, sample_key, expression_value   one row per value
    matrix_line     line_key, batch_id, line_no, gene_id      one row per line of a matrix
    matrix_sample   sample_key, batch_id, sample_accession_code

    A key is of one batch only, so each join has one integer column. -#}

{#- Statements that create expression_rows in a schema if it is missing. -#}
{% macro create_expression_rows(schema) %}{{ return(adapter.dispatch('create_expression_rows', 'expression_warehouse')(schema)) }}{% endmacro %}

{% macro default__create_expression_rows(schema) -%}
{{ create_table_if_absent(schema ~ '.expression_rows', staging_expression_rows_columns()) }};
{{ columnstore_if_absent(schema ~ '.expression_rows', 'cci_expression_rows') }}
{%- endmacro %}

{% macro duckdb__create_expression_rows(schema) -%}
{#- Rows that are staged beside a table of an earlier version would not be in it. #}
select error('4016 LOAD_WAREHOUSE_OUTDATED: an earlier version of the project made this warehouse. With an archive: expression-warehouse rebuild; without one: delete the file, then ingest and dbt build')
from duckdb_tables()
where database_name = current_database() and schema_name = '{{ schema }}' and table_name = 'expression_rows';
create table if not exists {{ schema }}.matrix_line (
    line_key integer not null,
    batch_id {{ type_code(64) }} not null,
    line_no bigint not null,
    gene_id {{ type_code(50) }} not null
);
create table if not exists {{ schema }}.matrix_sample (
    sample_key integer not null,
    batch_id {{ type_code(64) }} not null,
    sample_accession_code {{ type_code(50) }} not null
);
create table if not exists {{ schema }}.matrix_value (
    line_key integer not null,
    sample_key integer not null,
    expression_value float(53)
);
create view if not exists {{ schema }}.expression_rows as
select
    b.study_accession_code,
    b.batch_id,
    l.gene_id,
    s.sample_accession_code,
    v.expression_value,
    l.line_no,
    b.file_name,
    b.file_hash
from {{ schema }}.matrix_value as v
inner join {{ schema }}.matrix_line as l on v.line_key = l.line_key
inner join {{ schema }}.matrix_sample as s on v.sample_key = s.sample_key
inner join {{ schema }}.batch as b on l.batch_id = b.batch_id;
{%- endmacro %}


{#- Statements that delete the rows of some batches, each with the condition once.

    condition  on the column batch_id

    {{ delete_expression_rows('staging', 'batch_id = ?') }}
    ->  delete from staging.expression_rows where batch_id = ?
      | delete from staging.matrix_value where line_key in (…); delete from staging.matrix_line … -#}
{% macro delete_expression_rows(schema, condition) %}{{ return(adapter.dispatch('delete_expression_rows', 'expression_warehouse')(schema, condition)) }}{% endmacro %}

{% macro default__delete_expression_rows(schema, condition) -%}
delete from {{ schema }}.expression_rows where {{ condition }}
{%- endmacro %}

{% macro duckdb__delete_expression_rows(schema, condition) -%}
delete from {{ schema }}.matrix_value
where line_key in (select l.line_key from {{ schema }}.matrix_line as l where {{ condition }});
delete from {{ schema }}.matrix_line where {{ condition }};
delete from {{ schema }}.matrix_sample where {{ condition }}
{%- endmacro %}
